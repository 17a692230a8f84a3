package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// writePrefix puts what is missing of a blob into its prefix, in parts, and finishes it.
func writePrefix(o *Object, data []byte, parts int) error {
	p, err := o.Prefix()
	if err != nil {
		return err
	}
	defer p.Close()
	for rest := data[min(int(p.Len()), len(data)):]; len(rest) > 0; {
		n := min(len(rest), len(data)/parts+1)
		if _, err := p.Write(rest[:n]); err != nil {
			return err
		}
		if err := p.Flush(); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return p.Finish(context.Background())
}

func TestPrefixBecomesTheBlob(t *testing.T) {
	for _, size := range []int{0, 1, 5000, 900_000} {
		data := content(40, size)
		want := add(t, open(t, memdisk.New(0)), data).Want
		fs := memdisk.New(0)
		s := open(t, fs)
		o, err := s.Begin(want)
		if err == nil {
			err = writePrefix(o, data, 7)
		}
		if err != nil || !o.Complete() {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if got := read(t, s, want.Digest); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: other bytes came out", size)
		}
		left, err := fs.ReadDir("store/partial")
		if err != nil || len(left) > 0 {
			t.Errorf("%d bytes: %v is left over, %v", size, left, err)
		}
		again := open(t, fs)
		if got := read(t, again, want.Digest); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: other bytes came out after a restart", size)
		}
	}
}

// Wrong bytes are found out, and forgotten; a wrong chunk list too, and then nothing stays.
func TestPrefixOfAnotherBlob(t *testing.T) {
	data := content(41, 300_000)
	want := add(t, open(t, memdisk.New(0)), data).Want
	s := open(t, memdisk.New(0))
	o, err := s.Begin(want)
	if err != nil {
		t.Fatal(err)
	}
	wrong := bytes.Clone(data)
	wrong[1000]++
	if err := writePrefix(o, wrong, 3); !WrongBytes(err) || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("wrong bytes: %v", err)
	}
	if err := writePrefix(o, append(bytes.Clone(data), 1), 1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte too many: %v", err)
	}
	if err := writePrefix(o, data, 3); err != nil {
		t.Fatalf("the right bytes after them: %v", err)
	}
	want.Root = add(t, open(t, memdisk.New(0)), wrong).Root
	fs := memdisk.New(0)
	s = open(t, fs)
	if o, err = s.Begin(want); err != nil {
		t.Fatal(err)
	}
	if err := writePrefix(o, data, 3); !errors.Is(err, ErrContradiction) || WrongBytes(err) {
		t.Fatalf("another chunk list: %v", err)
	}
	if left, _ := fs.ReadDir("store/partial"); len(left) > 0 {
		t.Errorf("%v is left over", left)
	}
}

// Once the chunk list is known, what came counts, up to where it is wrong.
func TestFillPrefix(t *testing.T) {
	data := content(42, 900_000)
	from := add(t, open(t, memdisk.New(0)), data)
	for _, wrongAt := range []int{-1, 300_000} {
		s := open(t, memdisk.New(0))
		o, err := s.Begin(from.Want)
		if err != nil {
			t.Fatal(err)
		}
		p, err := o.Prefix()
		if err != nil {
			t.Fatal(err)
		}
		part := bytes.Clone(data[:600_000])
		if wrongAt >= 0 {
			part[wrongAt]++
		}
		if _, err := p.Write(part); err != nil {
			t.Fatal(err)
		}
		p.Close()
		if err := errors.Join(o.SetNodes(nodesOf(t, from)), o.FillPrefix(context.Background())); err != nil {
			t.Fatal(err)
		}
		have, most := o.Info().Have, int64(600_000)
		if wrongAt >= 0 {
			most = int64(wrongAt)
		}
		if have > most || have < most-MaxChunk {
			t.Errorf("wrong at %d: %d bytes are here", wrongAt, have)
		}
		if left, err := s.fs.Stat("store/partial/" + from.Digest.String() + ".raw"); err == nil {
			t.Errorf("%s is left over", left.Name())
		}
	}
}

// At whichever operation the power goes, what was synced is right, and goes on.
func TestPrefixPowerLoss(t *testing.T) {
	data := content(43, 400_000)
	want := add(t, open(t, memdisk.New(0)), data).Want
	rapid.Check(t, func(t *rapid.T) {
		fs := memdisk.New(0)
		cut := errors.New("the power went")
		steps, last := 0, rapid.IntRange(0, 120).Draw(t, "operations before the cut")
		fs.OnOp = func(string, string) error {
			if steps++; steps > last {
				return cut
			}
			return nil
		}
		whole := false
		if s, err := Open(fs, "store"); err == nil {
			if o, err := s.Begin(want); err == nil {
				whole = writePrefix(o, data, 6) == nil
			}
		}
		after := fs.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "crash"), 0)))
		s, err := Open(after, "store")
		if err != nil {
			t.Fatalf("reopen: %v", err)
		}
		o, err := s.Begin(want)
		if err != nil {
			t.Fatal(err)
		}
		if whole && !o.Complete() {
			t.Fatal("a complete blob is lost")
		}
		if !o.Complete() {
			if err := writePrefix(o, data, 2); err != nil {
				t.Fatalf("go on: %v", err)
			}
		}
		r, err := s.OpenBlob(want.Digest)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d other bytes, %v", len(got), err)
		}
	})
}

func TestPrefixOnAFullDisk(t *testing.T) {
	data := content(44, 300_000)
	want := add(t, open(t, memdisk.New(0)), data).Want
	fs := memdisk.New(310_000)
	s := open(t, fs)
	o, err := s.Begin(want)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fs.OpenFile("other", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteAt(make([]byte, 100_000), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := writePrefix(o, data, 6); !errors.Is(err, disk.ErrFull) {
		t.Errorf("a full disk: %v", err)
	}
	if err := fs.Remove("other"); err != nil {
		t.Fatal(err)
	}
	if err := writePrefix(o, data, 6); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

func FuzzPrefixState(f *testing.F) {
	s, err := Open(memdisk.New(0), "store")
	if err != nil {
		f.Fatal(err)
	}
	at, err := formatAt(5, newObject(s, Want{}).sum)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(at)
	f.Fuzz(func(t *testing.T, data []byte) {
		length, sum, err := parseAt(data)
		if err != nil {
			return
		}
		again, err := formatAt(length, sum)
		if err != nil || length < 0 || !bytes.Equal(again, data) {
			t.Fatalf("does not write back: %v", err)
		}
	})
}

// That it is not known any more how much of a blob came as one piece, or what came cannot be read, does not keep the blob from coming.
func TestPrefixIsLost(t *testing.T) {
	data := content(46, 300_000)
	from := add(t, open(t, memdisk.New(0)), data)
	long := func(u *unreadable, o *Object) error {
		return disk.WriteFile(u.FS, o.store.partName(o.Digest, ".at"), data[:2*prefixState], 0o600)
	}
	for name, harm := range map[string]func(u *unreadable, o *Object) error{
		"too long":       long,
		"bad sector":     func(u *unreadable, _ *Object) error { u.match = ".at"; return nil },
		"no file at all": func(u *unreadable, _ *Object) error { u.match, u.any = ".raw", true; return nil },
	} {
		u := &unreadable{FS: memdisk.New(0)}
		s := open(t, u)
		o, err := s.Begin(from.Want)
		if err != nil {
			t.Fatal(err)
		}
		if err := writePrefix(o, data[:100_000], 2); !errors.Is(err, ErrMissing) {
			t.Fatal(err)
		}
		if err := harm(u, o); err != nil {
			t.Fatal(err)
		}
		if err := o.SetNodes(nodesOf(t, from)); err != nil {
			t.Fatal(err)
		}
		if err := o.FillPrefix(t.Context()); err != nil {
			t.Errorf("%s: once there is a list: %v", name, err)
		}
		if u.any {
			continue
		}
		if err := writePrefix(o, data, 2); err != nil || !o.Complete() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A blob that is added while what came as one piece is about to be finished is whole, and to finish it is no error.
func TestPrefixOfABlobThatWasAdded(t *testing.T) {
	data := content(47, 300_000)
	s := open(t, memdisk.New(0))
	o, err := s.Begin(add(t, open(t, memdisk.New(0)), data).Want)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.Prefix()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Write(data); err != nil {
		t.Fatal(err)
	}
	add(t, s, data)
	if err := p.Finish(t.Context()); err != nil || !o.Complete() || !bytes.Equal(read(t, s, o.Digest), data) {
		t.Errorf("it is whole: %v, %v", o.Complete(), err)
	}
}
