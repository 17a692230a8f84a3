package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
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
	if shared := s.Shared(); len(shared) > 0 {
		t.Errorf("shared once the other is gone: %v", shared)
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

// A blob is given up while it is fetched: at whichever step that was, the fetch fails, unless the blob is whole already, and begun anew it
// succeeds, for good. What goes on of the first one does not harm the second.
func TestRemovedWhileFetched(t *testing.T) {
	data := content(43, 600_000)
	from := add(t, open(t, memdisk.New(0)), data)
	n := len(from.Chunks())
	for at := -1; at <= n; at++ {
		for _, anew := range []bool{false, true} { // while the first one goes on
			fs := memdisk.New(0)
			s := open(t, fs)
			o, err := s.Begin(from.Want)
			if err != nil {
				t.Fatal(err)
			}
			var second *Object
			remove := func() {
				if err := s.Remove(from.Digest); err != nil {
					t.Fatal(err)
				}
				if anew {
					second = begun(t, s, from, data, 2)
				}
			}
			if at < 0 {
				remove()
			}
			failed := o.SetNodes(nodesOf(t, from))
			for i, c := range o.Chunks() {
				if i == at {
					remove()
				}
				if _, err := o.Put(i, data[c.Offset:][:c.Size]); err != nil {
					failed = err
				}
			}
			if at == n {
				remove()
			}
			if err := errors.Join(o.Flush(), o.Finish()); !errors.Is(err, ErrMissing) {
				t.Fatalf("given up at %d: finish: %v", at, err)
			}
			if at < n && !errors.Is(failed, ErrMissing) {
				t.Fatalf("given up at %d: %v", at, failed)
			}
			if list, err := fs.ReadDir("store/partial"); err != nil || !anew && len(list) > 0 {
				t.Fatalf("given up at %d: left behind: %v, %v", at, list, err)
			}
			if !anew {
				second = begun(t, s, from, data, 2)
			}
			mend(t, second, data)
			if !bytes.Equal(read(t, s, from.Digest), data) || !bytes.Equal(read(t, open(t, fs), from.Digest), data) {
				t.Fatalf("given up at %d: other bytes came out", at)
			}
		}
	}
}

// The same for one that comes as one piece.
func TestRemovedWhileItComesWhole(t *testing.T) {
	data := content(44, 600_000)
	w := add(t, open(t, memdisk.New(0)), data).Want
	for _, at := range []int{100_000, len(data)} {
		fs := memdisk.New(0)
		s := open(t, fs)
		come := func(n int) (*Object, *Prefix) {
			o, err := s.Begin(w)
			if err != nil {
				t.Fatal(err)
			}
			p, err := o.Prefix()
			if err == nil {
				_, err = p.Write(data[:n])
			}
			if err != nil {
				t.Fatal(err)
			}
			return o, p
		}
		first, p := come(at)
		defer p.Close()
		if err := s.Remove(w.Digest); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Prefix(); !errors.Is(err, ErrMissing) {
			t.Errorf("%d bytes came: taken up: %v", at, err)
		}
		o, second := come(50_000)
		defer second.Close()
		_, err := p.Write(data[at:])
		if err = errors.Join(err, p.Finish(t.Context())); !errors.Is(err, ErrMissing) || o.Complete() {
			t.Errorf("%d bytes came: %v, whole: %v", at, err, o.Complete())
		}
		if _, err := second.Write(data[50_000:]); err != nil {
			t.Fatal(err)
		}
		if err := second.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, open(t, fs), w.Digest), data) {
			t.Errorf("%d bytes came: other bytes came out", at)
		}
	}
}

// What a blob takes on the disk counts also where it has no chunks: while its list is not known, or did not come through a restart.
func TestHeld(t *testing.T) {
	data := content(46, 300_000)
	from := add(t, open(t, memdisk.New(0)), data)
	fs := memdisk.New(0)
	s := open(t, fs)
	check := func(what string, o *Object, want int64) {
		t.Helper()
		if got := o.Held(); got != want {
			t.Errorf("%s: %d bytes, not %d", what, got, want)
		}
	}
	o, err := s.Begin(from.Want)
	if err != nil {
		t.Fatal(err)
	}
	check("begun", o, 0)
	p, err := o.Prefix()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(data[:100_000]); err != nil {
		t.Fatal(err)
	}
	p.Close()
	check("a beginning", o, 100_000)
	if err := s.Remove(from.Digest); err != nil {
		t.Fatal(err)
	}
	o = begun(t, s, from, data, 1)
	check("but the last chunk", o, int64(len(data))-int64(o.Chunks()[len(o.Chunks())-1].Size))
	if err := errors.Join(o.Flush(), fs.Remove(s.dagName(o.Digest))); err != nil {
		t.Fatal(err)
	}
	s = open(t, fs)
	o, _ = s.Object(from.Digest)
	check("without its list", o, int64(len(data)))
	check("whole", add(t, s, data), int64(len(data)))
}

// A disk on which not a byte is free gives blobs up all the same, for good.
func TestRemoveOnAFullDisk(t *testing.T) {
	fs := memdisk.New(1 << 20)
	s := open(t, fs)
	a, b := add(t, s, content(47, 200_000)), add(t, s, content(48, 200_000))
	filler, err := fs.OpenFile("filler", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for n := 64 << 10; n > 0; {
		if k, err := filler.Write(make([]byte, n)); err != nil && k == 0 {
			n /= 2
		}
	}
	if err := s.Remove(a.Digest); err != nil {
		t.Fatal(err)
	}
	if free, _, err := s.Disk(); err != nil || free < 200_000 {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	for range 2 { // after a restart too
		if _, ok := s.Object(a.Digest); ok || len(s.Objects()) != 1 {
			t.Error("it is still there, or the other is not")
		}
		if o, ok := s.Object(b.Digest); !ok || !o.Complete() {
			t.Error("the other is not there")
		}
		s = open(t, fs)
	}
}
