package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// begun returns an object in a store with all chunks put, but for the last few.
func begun(t *testing.T, s *Store, from *Object, data []byte, but int) *Object {
	t.Helper()
	o, err := s.Begin(from.Want)
	if err == nil {
		err = o.SetNodes(nodesOf(t, from))
	}
	if err != nil {
		t.Fatal(err)
	}
	chunks := o.Chunks()
	for i, c := range chunks[:len(chunks)-but] {
		if _, err := o.Put(i, data[c.Offset:c.Offset+int64(c.Size)]); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// A disk that fills up at the very last step costs nothing but another try.
func TestIndexFails(t *testing.T) {
	data := content(20, 1<<20)
	from := add(t, open(t, memdisk.New(0)), data)
	fs := memdisk.New(0)
	full := false
	fs.OnOp = func(op, name string) error {
		if full && op == "open" && strings.Contains(name, "index.json") {
			return disk.ErrFull
		}
		return nil
	}
	s := open(t, fs)
	o := begun(t, s, from, data, 0)
	full = true
	for range 2 {
		if err := o.Finish(); !errors.Is(err, disk.ErrFull) {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := s.Add(context.Background(), bytes.NewReader(content(21, 1<<20))); !errors.Is(err, disk.ErrFull) {
		t.Fatalf("add: %v", err)
	}
	for dir, most := range map[string]int{"blobs/sha256": 0, "dag": 1} { // the first one's chunk list is of use
		if list, err := fs.ReadDir("store/" + dir); err != nil || len(list) > most {
			t.Errorf("left behind in %s: %v, %v", dir, list, err)
		}
	}
	full = false
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, s, from.Digest), data) {
		t.Error("other bytes came out")
	}
}

// Bytes that went bad on disk before they were digested are forgotten, and only they.
func TestDamage(t *testing.T) {
	data := content(22, 3<<20)
	from := add(t, open(t, memdisk.New(0)), data)
	fs := memdisk.New(0)
	s := open(t, fs)
	o := begun(t, s, from, data, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := fs.OpenFile(s.partName(from.Digest, ""), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("rot"), o.Chunks()[3].Offset); err != nil {
		t.Fatal(err)
	}
	s = open(t, fs)
	o, _ = s.Object(from.Digest)
	last := len(o.Chunks()) - 1
	put := func(i int) {
		c := o.Chunks()[i]
		if _, err := o.Put(i, data[c.Offset:c.Offset+int64(c.Size)]); err != nil {
			t.Fatal(err)
		}
	}
	put(last)
	if err := o.Finish(); !errors.Is(err, ErrDamaged) || errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
	if have := o.Have(); have.Count() != last || have.Has(3) {
		t.Errorf("has %d of %d", have.Count(), last+1)
	}
	put(3)
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, s, from.Digest), data) {
		t.Error("other bytes came out")
	}
}

// A blob that cannot be is refused before anything is written.
func TestBeginRefuses(t *testing.T) {
	from := add(t, open(t, memdisk.New(0)), content(23, 1<<20))
	fs := memdisk.New(0)
	s := open(t, fs)
	for name, spoil := range map[string]func(*Want){
		"no root":       func(w *Want) { w.Root = cid.Undef },
		"version 0":     func(w *Want) { w.Root = cid.NewCidV0(w.Root.Hash()) },
		"negative size": func(w *Want) { w.Size = -1 },
		"one large chunk": func(w *Want) {
			w.Root, w.Size = cidOf(cid.Raw, [32]byte{}), MaxChunk+1
		},
	} {
		w := from.Want
		spoil(&w)
		if _, err := s.Begin(w); !errors.Is(err, ErrDAG) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := fs.ReadDir("store/partial"); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// Runs are cut so that each part fits the buffer it is read into.
func TestParts(t *testing.T) {
	data := content(24, 2<<20)
	o := add(t, open(t, memdisk.New(0)), data)
	n := len(o.Chunks())
	parts := o.Parts(0, n, MaxChunk, int64(len(data)))
	buf := make([]byte, MaxChunk)
	var got []byte
	for _, p := range parts {
		k, err := o.ReadChunks(p.First, p.Count, buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:k]...)
	}
	if !bytes.Equal(got, data) || len(parts) >= n {
		t.Errorf("%d parts of %d chunks, %d bytes", len(parts), n, len(got))
	}
	for _, bad := range [][2]int{{0, n + 1}, {-1, 1}, {n, 1}, {0, 0}, {0, -1}} {
		if o.Parts(bad[0], bad[1], MaxChunk, 1<<40) != nil {
			t.Errorf("parts of %v", bad)
		}
	}
	if o.Parts(0, n, MaxChunk, int64(len(data))-1) != nil {
		t.Error("more than was allowed")
	}
}

// A blob that is added while it is fetched is whole for both.
func TestAddedMeanwhile(t *testing.T) {
	data := content(25, 2<<20)
	from := add(t, open(t, memdisk.New(0)), data)
	s := open(t, memdisk.New(0))
	o := begun(t, s, from, data, 5)
	if added := add(t, s, data); added != o {
		t.Fatal("two objects for one blob")
	}
	last := o.Chunks()[len(o.Chunks())-1]
	if _, err := o.Put(len(o.Chunks())-1, data[last.Offset:]); err != nil {
		t.Error(err)
	}
	if err := o.Finish(); err != nil {
		t.Error(err)
	}
	if err := o.Flush(); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(read(t, s, o.Digest), data) {
		t.Error("other bytes came out")
	}
	if n, err := o.ReadChunks(0, 1, make([]byte, MaxChunk)); err != nil && !errors.Is(err, io.EOF) || n == 0 {
		t.Errorf("read %d, %v", n, err)
	}
}

// A list that is larger than any of its blob, or of nothing, is not kept in memory.
func TestListBounds(t *testing.T) {
	for _, size := range []int64{0, 1, 20 << 20, 1 << 40} {
		if n := MaxList(size); n < 1000 || n > maxDAG {
			t.Errorf("%d bytes: a list of %d", size, n)
		}
	}
	if _, err := DecodeNodes(bytes.NewReader(make([]byte, 1000))); !errors.Is(err, ErrDAG) {
		t.Errorf("empty nodes: %v", err)
	}
	o := add(t, open(t, memdisk.New(0)), content(26, 64<<20))
	enc, err := o.Nodes()
	if err != nil || int64(len(enc))*2 > MaxList(o.Size) {
		t.Errorf("a list of %d bytes, of at most %d; %v", len(enc), MaxList(o.Size), err)
	}
}

// A blob that could not be moved to its place is finished at the next try, at whichever step it failed.
func TestFinishIsTriedAgain(t *testing.T) {
	data := content(45, 300_000)
	from := add(t, open(t, memdisk.New(0)), data)
	for failing := range 12 {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := begun(t, s, from, data, 0)
		left := failing
		fs.OnOp = func(string, string) error {
			if left--; left == -1 {
				return errors.New("it fails once")
			}
			return nil
		}
		if err := o.Finish(); err != nil {
			err = o.Finish()
			if err != nil || !o.Complete() {
				t.Errorf("step %d failed, and at the next try: %v", failing, err)
				continue
			}
		}
		if !bytes.Equal(read(t, s, o.Digest), data) || !bytes.Equal(read(t, open(t, fs), o.Digest), data) {
			t.Errorf("step %d failed: other bytes came out", failing)
		}
	}
}

// A part whose file was removed under a running node is got again, now and after a restart.
func TestPartIsGone(t *testing.T) {
	data := content(26, 1<<20)
	from := add(t, open(t, memdisk.New(0)), data)
	for _, restart := range []bool{false, true} {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := begun(t, s, from, data, 0)
		if err := errors.Join(o.Flush(), fs.Remove(s.partName(from.Digest, ""))); err != nil {
			t.Fatal(err)
		}
		if err := o.Finish(); !errors.Is(err, ErrDamaged) || o.Have().Count() > 0 {
			t.Fatalf("got %v, and it has %d chunks", err, o.Have().Count())
		}
		c := o.Chunks()[0]
		if _, err := o.Put(0, data[:c.Size]); err != nil { // makes the file anew
			t.Fatal(err)
		}
		if restart {
			s = open(t, fs)
			if o, _ = s.Object(from.Digest); o.Have().Count() > 0 {
				t.Fatalf("%d chunks are there that are not", o.Have().Count())
			}
		}
		for i, c := range o.Chunks() {
			if _, err := o.Put(i, data[c.Offset:][:c.Size]); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Finish(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, s, from.Digest), data) {
			t.Error("other bytes came out")
		}
	}
}
