package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// wanted makes the object of a blob in another store, with its chunk list.
func wanted(t testing.TB, s *Store, from *Object) *Object {
	t.Helper()
	o, err := s.Begin(from.Want)
	if err == nil {
		err = o.SetNodes(nodesOf(t, from))
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// insert returns data with something more in it.
func insert(data []byte, at int, more string) []byte {
	return slices.Concat(data[:at], []byte(more), data[at:])
}

// bent is a disk whose files share what is then another than it was: as when the memory has right bytes, and the disk has not.
type bent struct{ disk.FS }

type bentFile struct{ disk.File }

func (b bent) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := b.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return bentFile{f}, nil
}

func (f bentFile) Clone(src disk.File, to, from, n int64) error {
	if err := disk.Clone(f.File, src.(bentFile).File, to, from, n); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte("rot"), to+n/2)
	return err
}

// plain is a disk whose files cannot share.
type plain struct{ disk.FS }

type plainFile struct{ disk.File }

func (p plain) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := p.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return plainFile{f}, nil
}

// What an older blob has is taken from it, shared where that can be: wherever it lies there, and whatever the disk makes of it.
func TestFillLocal(t *testing.T) {
	v1 := content(50, 4<<20)
	for name, c := range map[string]struct {
		v2     []byte
		disk   func(disk.FS) disk.FS
		shares bool
	}{
		"a block more":        {insert(v1, 1<<20, string(make([]byte, disk.Block))), nil, true},
		"three bytes more":    {insert(v1, 0, "abc"), nil, false},
		"three at the end":    {append(bytes.Clone(v1), "abc"...), nil, true},
		"three other bytes":   {append(append(bytes.Clone(v1[:1<<20]), "abc"...), v1[1<<20+3:]...), nil, true},
		"beginning twice":     {slices.Concat(v1[:1<<20], v1), nil, true},
		"a disk that bends":   {append(bytes.Clone(v1), "abc"...), func(f disk.FS) disk.FS { return bent{f} }, true},
		"no sharing":          {append(bytes.Clone(v1), "abc"...), func(f disk.FS) disk.FS { return plain{f} }, false},
		"nothing in common":   {content(51, 4<<20), nil, false},
		"the middle of it":    {v1[1<<20 : 3<<20], nil, true},
		"two pieces exchange": {slices.Concat(v1[2<<20:], v1[:2<<20]), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memdisk.New(0)
			clones := 0
			var fs disk.FS = mem
			if c.disk != nil {
				fs = c.disk(mem)
			}
			s := open(t, fs)
			old := add(t, s, v1)
			from := add(t, open(t, memdisk.New(0)), c.v2)
			o := wanted(t, s, from)
			mem.OnOp = func(op, _ string) error {
				if op == "clone" {
					clones++
				}
				return nil
			}
			lacks := from.bytesOf(old.Lacks(from))
			filled, err := o.FillLocal(t.Context())
			if err != nil || o.Info().Local != filled || filled != o.Info().Have || o.Info().Have > from.Size-lacks {
				t.Fatalf("%d bytes were spared, %v; %+v", filled, err, o.Info())
			}
			if missing, ok := o.Missing(); !ok || missing != lacks {
				t.Errorf("%d bytes are missing, not %d", missing, lacks)
			}
			if clones > 0 != c.shares {
				t.Errorf("%d runs were shared", clones)
			}
			mend(t, o, c.v2)
			if !bytes.Equal(read(t, s, from.Digest), c.v2) || !bytes.Equal(read(t, s, old.Digest), v1) {
				t.Error("other bytes came out")
			}
		})
	}
}

// A chunk that went bad in the older blob does not spread, whether it would be shared or copied; the others are taken.
func TestRotIsNotShared(t *testing.T) {
	v1 := content(52, 3<<20)
	for name, v2 := range map[string][]byte{"shared": append(bytes.Clone(v1), "abc"...), "copied": insert(v1, 0, "abc")} {
		fs := memdisk.New(0)
		s := open(t, fs)
		old := add(t, s, v1)
		from := add(t, open(t, memdisk.New(0)), v2)
		o := wanted(t, s, from)
		lacks := from.bytesOf(old.Lacks(from))
		rot(t, fs, s.blobName(old.Digest), 1_200_000, 1_600_000)
		if _, err := o.FillLocal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if old.Complete() || old.Have().Count() > len(old.Chunks())-2 {
			t.Errorf("%s: the older blob is taken for whole", name)
		}
		if missing := from.Size - o.Info().Have; missing <= lacks || missing > lacks+2*MaxChunk {
			t.Errorf("%s: %d bytes are left to be fetched, with %d that are new", name, missing, lacks)
		}
		mend(t, o, v2)
		mend(t, old, v1)
		if !bytes.Equal(read(t, s, from.Digest), v2) || !bytes.Equal(read(t, s, old.Digest), v1) {
			t.Errorf("%s: other bytes came out", name)
		}
	}
}

// At whichever operation the power goes, or the disk is full, while an older blob's chunks are taken, both blobs are right afterwards, and it can go on.
func TestFillPowerLoss(t *testing.T) {
	v1 := content(53, 600_000)
	v2 := slices.Concat(content(54, 5*disk.Block), v1[:300_000], []byte("abc"), v1[300_000:])
	from := add(t, open(t, memdisk.New(0)), v2)
	nodes := nodesOf(t, from)
	rapid.Check(t, func(t *rapid.T) {
		fs := memdisk.New(0)
		s, err := Open(fs, "store")
		if err != nil {
			t.Fatal(err)
		}
		old, err := s.Add(t.Context(), bytes.NewReader(v1))
		if err != nil {
			t.Fatal(err)
		}
		full := rapid.Bool().Draw(t, "full")
		steps, last := 0, rapid.IntRange(0, 40).Draw(t, "operations before that")
		fs.OnOp = func(string, string) error {
			if steps++; steps > last {
				return disk.ErrFull
			}
			return nil
		}
		_, err = fill(s, from.Want, nodes)
		if steps > last && !errors.Is(err, disk.ErrFull) && err != nil {
			t.Fatalf("on a full disk: %v", err)
		}
		fs.OnOp = nil
		if !full {
			fs = fs.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "crash"), 0)))
			if s, err = Open(fs, "store"); err != nil {
				t.Fatalf("reopen: %v", err)
			}
		}
		o, err := fill(s, from.Want, nodes)
		if err != nil {
			t.Fatal(err)
		}
		checkChunks(t, o, v2)
		finish(t, o, from)
		for d, want := range map[Digest][]byte{old.Digest: v1, from.Digest: v2} {
			r, err := s.OpenBlob(d)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(io.NewSectionReader(r, 0, r.Size())); !bytes.Equal(got, want) {
				t.Fatal("other bytes came out")
			}
		}
	})
}

// fill takes what older blobs have of a blob, and makes it durable.
func fill(s *Store, w Want, nodes [][]byte) (*Object, error) {
	o, err := s.Begin(w)
	if err != nil {
		return nil, err
	}
	if err := o.SetNodes(nodes); err != nil {
		return nil, err
	}
	if _, err := o.FillLocal(context.Background()); err != nil {
		return nil, err
	}
	return o, o.Flush()
}

// An older blob that is removed meanwhile is not shared, and nothing of it comes back.
func TestRemovedIsNotShared(t *testing.T) {
	fs := memdisk.New(0)
	s := open(t, fs)
	v1 := content(57, 1<<20)
	old := add(t, s, v1)
	o := wanted(t, s, add(t, open(t, memdisk.New(0)), append(bytes.Clone(v1), "abc"...)))
	r := o.elsewhere(0)
	if err := s.Remove(old.Digest); err != nil {
		t.Fatal(err)
	}
	if n, err := o.fill(t.Context(), r, make([]byte, fillBytes)); r.count == 0 || n != 0 || err != nil {
		t.Errorf("a run of %d: %d bytes were taken, %v", r.count, n, err)
	}
	for _, name := range left(t, fs) {
		if strings.Contains(name, old.Digest.String()) {
			t.Errorf("%s is there", name)
		}
	}
}

// Several chunks at once are taken up to the first that is not right.
func TestPutSeveral(t *testing.T) {
	data := slices.Concat(content(55, 1<<20), content(56, 300_000), content(56, 300_000))
	from := add(t, open(t, memdisk.New(0)), data)
	for name, c := range map[string]struct {
		harm func([]byte) []byte
		all  bool
	}{
		"right":        {func(b []byte) []byte { return b }, true},
		"one bad":      {func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, false},
		"the last bad": {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, false},
		"cut short":    {func(b []byte) []byte { return b[:len(b)-1] }, false},
		"too long":     {func(b []byte) []byte { return append(b, 0) }, false},
	} {
		s := open(t, memdisk.New(0))
		o := wanted(t, s, from)
		fresh, err := o.Put(0, c.harm(bytes.Clone(data)))
		if errors.Is(err, ErrCorrupt) == c.all || (err == nil) != c.all || len(fresh) == 0 || len(fresh) != o.Have().Count() {
			t.Errorf("%s: %d chunks are new, %v", name, len(fresh), err)
		}
		if again, err := o.Put(0, data[:o.Chunks()[0].Size]); len(again) > 0 || err != nil {
			t.Errorf("%s: once more: %v, %v", name, again, err)
		}
		mend(t, o, data)
		if !bytes.Equal(read(t, s, from.Digest), data) {
			t.Errorf("%s: other bytes came out", name)
		}
	}
}
