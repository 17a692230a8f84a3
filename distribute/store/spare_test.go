package store

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// left lists what is in the directory of what is half done.
func left(t *testing.T, fs disk.FS) (names []string) {
	t.Helper()
	list, err := fs.ReadDir("store/partial")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestAddAs: only the blob that is wanted is taken, also while it is being fetched.
func TestAddAs(t *testing.T) {
	data := content(1, 300<<10)
	want := add(t, open(t, memdisk.New(0)), data).Want
	fs := memdisk.New(0)
	s := open(t, fs)
	other := want
	other.Digest[0]++
	short := want
	short.Size--
	rooted := want
	rooted.Root = add(t, open(t, memdisk.New(0)), content(2, 1000)).Root
	for _, w := range []Want{other, short, rooted} {
		if _, err := s.AddAs(context.Background(), w, bytes.NewReader(data)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	if _, err := s.AddAs(context.Background(), want, bytes.NewReader(data[1:])); !errors.Is(err, ErrCorrupt) {
		t.Errorf("other bytes: %v", err)
	}
	if names := left(t, fs); len(names)+len(s.Objects()) != 0 {
		t.Errorf("left: %v, %d blobs", names, len(s.Objects()))
	}
	o, err := s.Begin(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.AddAs(context.Background(), want, bytes.NewReader(data)); err != nil || got != o || !o.Complete() {
		t.Errorf("%v, complete %v", err, o.Complete())
	}
	if m, ok := o.Missing(); m != 0 || !ok {
		t.Errorf("%d bytes are missing", m)
	}
	if names := left(t, fs); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// TestMissing: what is missing is what neither the blob nor another has, once.
func TestMissing(t *testing.T) {
	old, fresh := content(1, 400<<10), content(2, 200<<10)
	data := bytes.Join([][]byte{old, fresh, fresh}, nil)
	from := open(t, memdisk.New(0))
	whole, base := add(t, from, data), add(t, from, old)
	s := open(t, memdisk.New(0))
	add(t, s, old)
	o, err := s.Begin(whole.Want)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := o.Missing(); ok {
		t.Error("known without a chunk list")
	}
	if err := o.SetNodes(nodesOf(t, whole)); err != nil {
		t.Fatal(err)
	}
	first, ok := o.Missing()
	lacks := int64(0)
	for _, i := range base.Lacks(whole) {
		lacks += int64(whole.Chunks()[i].Size)
	}
	if !ok || first != lacks || first < int64(len(fresh)) || first > int64(len(fresh))+4*MaxChunk {
		t.Errorf("%d bytes are missing, %d lacking, %d new", first, lacks, len(fresh))
	}
	for i, c := range o.Chunks() {
		if _, here := s.find(c.Hash); here {
			continue
		}
		buf := make([]byte, MaxChunk)
		n, err := whole.ReadChunks(i, 1, buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Put(i, buf[:n]); err != nil {
			t.Fatal(err)
		}
		if now, _ := o.Missing(); now != first-int64(n) {
			t.Errorf("%d bytes are missing, %d before %d came", now, first, n)
		}
		return
	}
}

// TestTemp: the file goes with its closing, or with the next start.
func TestTemp(t *testing.T) {
	fs := memdisk.New(0)
	s := open(t, fs)
	one, err := s.Temp()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Temp(); err != nil { // and there is a crash
		t.Fatal(err)
	}
	if err := one.Close(); err != nil || len(left(t, fs)) != 1 {
		t.Errorf("%v, left %v", err, left(t, fs))
	}
	open(t, fs)
	if names := left(t, fs); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}
