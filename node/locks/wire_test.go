package locks

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func codec(t testing.TB) Codec {
	c, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzWire: what is read is written and read again as the same.
func FuzzWire(f *testing.F) {
	c := codec(f)
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return c.WriteAsk(b, Ask{Take, "db/backup", claim(7)}) },
		func(b *bytes.Buffer) error { return c.WriteListAsk(b, "a") },
		func(b *bytes.Buffer) error { return c.WriteAnswer(b, Answer{Held, 7, time.Second, 0, n1}) },
		func(b *bytes.Buffer) error { return c.WriteAnswer(b, Answer{State: Waiting, Ahead: 3}) },
		func(b *bytes.Buffer) error {
			return c.WriteList(b, []Lock{{"a", n1, 7, time.Second, time.Minute, 2}, {Name: "b", Waiting: 1}})
		},
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var again bytes.Buffer
		if a, lists, err := c.ReadAsk(bytes.NewReader(data)); err == nil {
			write := func() error { return c.WriteAsk(&again, a) }
			if lists {
				write = func() error { return c.WriteListAsk(&again, a.Name) }
			}
			if err := write(); err != nil {
				t.Fatal(err)
			}
			if b, l, err := c.ReadAsk(&again); err != nil || b != a || l != lists {
				t.Fatalf("%+v, then %+v, %v", a, b, err)
			}
		}
		if a, err := c.ReadAnswer(bytes.NewReader(data)); err == nil {
			if err := c.WriteAnswer(&again, a); err != nil {
				t.Fatal(err)
			}
			if b, err := c.ReadAnswer(&again); err != nil || b != a {
				t.Fatalf("%+v, then %+v, %v", a, b, err)
			}
		}
		if all, err := c.ReadList(bytes.NewReader(data)); err == nil {
			if err := c.WriteList(&again, all); err != nil {
				t.Fatal(err)
			}
			if b, err := c.ReadList(&again); err != nil || !slices.Equal(b, all) {
				t.Fatalf("%+v, then %+v, %v", all, b, err)
			}
		}
	})
}

func TestWhatNobodyAsks(t *testing.T) {
	c := codec(t)
	for _, a := range []Ask{{}, {Want: Take}, {Want: 5, Name: "a"}, {Want: Keep, Name: "a//b"}, {Want: Keep, Name: strings.Repeat("a", 300)}} {
		var b bytes.Buffer
		if err := c.WriteAsk(&b, a); err != nil {
			t.Fatal(err)
		}
		if got, _, err := c.ReadAsk(&b); err == nil {
			t.Errorf("read %+v", got)
		}
	}
	for _, a := range []Answer{{}, {State: Held}, {State: Waiting, Token: 1}, {State: 6}, {State: Held, Token: 1, For: -1}, {State: Held, Token: 1, For: 25 * time.Hour}} {
		var b bytes.Buffer
		if err := c.WriteAnswer(&b, a); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ReadAnswer(&b); err == nil {
			t.Errorf("read %+v", got)
		}
	}
}

// TestAListFits: the longest list that is written can be read.
func TestAListFits(t *testing.T) {
	c := codec(t)
	var all []Lock
	for i := range MaxList {
		name := strings.Repeat("a", 61) + string(rune('a'+i%26)) + "z"
		all = append(all, Lock{name, n1, 1<<63 - 1, maxTime, maxTime, maxWaiting})
	}
	var b bytes.Buffer
	if err := c.WriteList(&b, all); err != nil {
		t.Fatal(err)
	}
	if got, err := c.ReadList(&b); err != nil || !slices.Equal(got, all) {
		t.Errorf("%d locks, %v", len(got), err)
	}
}
