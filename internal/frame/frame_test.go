package frame

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestThereAndBack(t *testing.T) {
	var b bytes.Buffer
	for _, message := range []string{"", "one", "another"} {
		if err := Write(&b, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"", "one", "another"} {
		if got, err := Read(&b, 7); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := Read(&b, 7); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestBounds(t *testing.T) {
	if err := Write(io.Discard, make([]byte, 1<<16)); !errors.Is(err, ErrLong) {
		t.Errorf("a message of 64 KiB: %v", err)
	}
	if _, err := Read(bytes.NewReader([]byte{0, 8, 1}), 7); !errors.Is(err, ErrLong) {
		t.Errorf("8 bytes where 7 are read: %v", err)
	}
	if _, err := Read(bytes.NewReader([]byte{0, 3, 1}), 7); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	const most = 100
	f.Add([]byte{0, 1, 7})
	f.Add([]byte{0, 101, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Read(bytes.NewReader(b), most)
		if err == nil && (len(got) > most || !bytes.Equal(got, b[2:2+len(got)])) {
			t.Fatalf("%d bytes, not those that were sent", len(got))
		}
	})
}
