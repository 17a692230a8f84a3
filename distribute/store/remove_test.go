package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"selvage/internal/disk/memdisk"
)

// A blob that is given up is gone, for good; who reads it reads on, and what it shared with others is still theirs.
func TestRemove(t *testing.T) {
	fs := memdisk.New(0)
	s := open(t, fs)
	v1 := content(40, 1<<20)
	v2 := append(bytes.Clone(v1), content(41, 1000)...)
	a, b := add(t, s, v1), add(t, s, v2)
	if shared := s.Shared(); shared[a.Digest] < 900_000 || shared[b.Digest] != shared[a.Digest] {
		t.Errorf("shared %v", shared)
	}
	r, err := s.OpenBlob(a.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Remove(a.Digest); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); err != nil || !bytes.Equal(got, v1) {
		t.Errorf("who had it open reads %d bytes, %v", len(got), err)
	}
	if _, ok := s.Object(a.Digest); ok || len(open(t, fs).Objects()) != 1 {
		t.Error("it is still there")
	}
	if _, err := s.OpenBlob(a.Digest); !errors.Is(err, ErrMissing) {
		t.Errorf("it opens: %v", err)
	}
	o, err := s.Begin(a.Want)
	if err == nil {
		err = o.SetNodes(nodesOf(t, add(t, open(t, memdisk.New(0)), v1)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if n, err := o.FillLocal(t.Context()); err != nil || n < 900_000 {
		t.Errorf("%d bytes come from the other, %v", n, err)
	}
	if err := s.Remove(a.Digest); err != nil { // a part of one
		t.Fatal(err)
	}
	for _, dir := range []string{"partial", "dag", "blobs/sha256"} {
		if list, err := fs.ReadDir("store/" + dir); err != nil || len(list) > 1 {
			t.Errorf("%d files in %s, %v", len(list), dir, err)
		}
	}
}

// The power goes at any step of it: the blob is there, whole, or not.
func TestPowerCutWhileRemoving(t *testing.T) {
	data, r := content(42, 300_000), rand.New(rand.NewPCG(9, 10))
	for n := range 20 {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, data)
		left := n
		fs.OnOp = func(string, string) error {
			if left--; left < 0 {
				return errors.New("no power")
			}
			return nil
		}
		err := s.Remove(o.Digest)
		if err != nil && !o.Complete() {
			t.Fatalf("cut at %d: it failed, and the blob is gone", n)
		}
		fs = fs.Crash(r)
		s = open(t, fs)
		if o, ok := s.Object(o.Digest); ok && (!o.Complete() || !bytes.Equal(read(t, s, o.Digest), data)) {
			t.Fatalf("cut at %d: a part of it is left", n)
		}
		if list, err := fs.ReadDir("store/blobs/sha256"); err != nil || len(list) != len(s.Objects()) {
			t.Fatalf("cut at %d: %d files for %d blobs, %v", n, len(list), len(s.Objects()), err)
		}
	}
}
