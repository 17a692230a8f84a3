package node

import (
	"bytes"
	"math"
	"testing"

	"selvage/internal/ident"
)

func termsBody(t testing.TB) body[terms] {
	c, err := newTerms()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzTerms: what is read as a record of terms is written and read again as the same.
func FuzzTerms(f *testing.F) {
	c := termsBody(f)
	id := ident.NodeID{1}
	data, err := c.encode(terms{{Began: 1, Epoch: 7, Config: 1, Voters: 3, Before: []byte{}}, {Began: 2, Epoch: 8, Config: 1, Voters: 3, Before: id[:], Last: 7, Yielded: 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := c.decode(data)
		if err != nil {
			return
		}
		again, err := c.encode(got)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.decode(again)
		if err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		if last, err := c.encode(back); err != nil || !bytes.Equal(last, again) {
			t.Errorf("%+v became %+v, %v", got, back, err)
		}
	})
}

func TestTermsThatNobodyWrites(t *testing.T) {
	c := termsBody(t)
	long := make(terms, maxTerms+1)
	for i := range long {
		long[i].Epoch = uint64(i)
	}
	for what, bad := range map[string]terms{
		"too many": long, "out of order": {{Epoch: 2}, {Epoch: 1}}, "no node": {{Before: []byte{1}}}, "no way to end": {{Yielded: 2}},
		"before time": {{Began: -1}}, "after the last year that has four digits": {{Began: math.MaxInt64}},
	} {
		data, err := c.enc.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.decode(data); err == nil {
			t.Errorf("%s: it is believed", what)
		}
		if _, err := c.encode(bad); err == nil {
			t.Errorf("%s: it is written", what)
		}
	}
	data, err := c.encode(long[1:])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.decode(data); err != nil || len(got) != maxTerms {
		t.Errorf("the longest: %d, %v", len(got), err)
	}
}
