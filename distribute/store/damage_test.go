package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// rot changes bytes of a file where it stands.
func rot(t testing.TB, fs disk.FS, name string, at ...int64) {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range at {
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{b[0] ^ 0x20}, off); err != nil {
			t.Fatal(err)
		}
	}
}

func truncate(t testing.TB, fs disk.FS, name string, size int64) {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// copied returns a disk with the same files in a store.
func copied(t testing.TB, from disk.FS) *memdisk.FS {
	t.Helper()
	to := memdisk.New(0)
	if err := disk.CopyTree(from, to, "store"); err != nil {
		t.Fatal(err)
	}
	return to
}

func unpaced(int) error { return nil }

// mend puts again what is missing of a blob.
func mend(t testing.TB, o *Object, data []byte) {
	t.Helper()
	have := o.Have()
	for i, c := range o.Chunks() {
		if have.Has(i) {
			continue
		}
		if _, err := o.Put(i, data[c.Offset:][:c.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Finish(); err != nil {
		t.Fatal(err)
	}
}

// Whatever becomes of a blob's file, a scrub finds it, keeps what is right, and says it once.
func TestScrub(t *testing.T) {
	data := content(30, 2<<20)
	for name, c := range map[string]struct {
		harm func(fs disk.FS, name string)
		want func(d Damage) bool
	}{
		"nothing":    {func(disk.FS, string) {}, func(d Damage) bool { return d == (Damage{}) }},
		"one byte":   {func(fs disk.FS, n string) { rot(t, fs, n, 1<<20) }, func(d Damage) bool { return d.Chunks == 1 && d.Bytes <= MaxChunk && !d.Missing }},
		"two places": {func(fs disk.FS, n string) { rot(t, fs, n, 0, 2<<20-1) }, func(d Damage) bool { return d.Chunks == 2 }},
		"gone":       {func(fs disk.FS, n string) { _ = fs.Remove(n) }, func(d Damage) bool { return d.Missing && d.Bytes == 2<<20 }},
		"cut short":  {func(fs disk.FS, n string) { truncate(t, fs, n, 1<<20) }, func(d Damage) bool { return d.Bytes >= 1<<20 && d.Bytes < 1<<20+MaxChunk && !d.Missing }},
		"longer":     {func(fs disk.FS, n string) { rot(t, fs, n, 2<<20) }, func(d Damage) bool { return d == Damage{Surplus: true} }},
	} {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, data)
		told := 0
		s.OnDamage(func(*Object, Damage) { told++ })
		c.harm(fs, s.blobName(o.Digest))
		d, err := o.Scrub(t.Context(), unpaced)
		if err != nil || !c.want(d) || o.Complete() != (d == Damage{}) || told != map[bool]int{true: 0, false: 1}[d == Damage{}] {
			t.Errorf("%s: %+v, told %d times, %v", name, d, told, err)
		}
		if again, err := o.Scrub(t.Context(), unpaced); err != nil || again != (Damage{}) {
			t.Errorf("%s, again: %+v, %v", name, again, err)
		}
		if left, spoilt := o.Spoilt(); spoilt == o.Complete() || left != d {
			t.Errorf("%s: %+v is to come", name, left)
		}
		if again, ok := open(t, copied(t, fs)).Object(o.Digest); !ok {
			t.Errorf("%s: nothing is there after a restart", name)
		} else if left, _ := again.Spoilt(); left != d {
			t.Errorf("%s: after a restart %+v is to come", name, left)
		}
		if !o.Complete() {
			if _, err := s.OpenBlob(o.Digest); !errors.Is(err, ErrMissing) {
				t.Errorf("%s: it opens, %v", name, err)
			}
			mend(t, o, data)
		}
		if _, spoilt := o.Spoilt(); spoilt {
			t.Errorf("%s: mended, it is not", name)
		}
		if !bytes.Equal(read(t, s, o.Digest), data) || !bytes.Equal(read(t, open(t, fs), o.Digest), data) {
			t.Errorf("%s: other bytes came out", name)
		}
	}
}

// Who looks for damage, or reads, for long finds what others have found meanwhile, and what was put in its place: that is not forgotten again.
func TestHealedMeanwhile(t *testing.T) {
	data := content(37, 2<<20)
	for name, heal := range map[string]func(t *testing.T, s *Store, o *Object){
		"by chunks":  func(t *testing.T, _ *Store, o *Object) { mend(t, o, data) },
		"as a whole": func(t *testing.T, s *Store, _ *Object) { add(t, s, data) },
	} {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, data)
		var told []Damage
		s.OnDamage(func(_ *Object, d Damage) { told = append(told, d) })
		long, err := s.OpenChecked(o.Digest)
		if err != nil {
			t.Fatal(err)
		}
		rot(t, fs, s.blobName(o.Digest), 5)
		passed := 0
		d, err := o.Scrub(t.Context(), func(n int) error {
			if passed += n; passed < 1<<20 || !o.Complete() || len(told) > 0 {
				return nil
			}
			if _, err := o.ReadChunks(0, 1, make([]byte, MaxChunk)); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: what is bad is read: %v", name, err)
			}
			heal(t, s, o)
			return nil
		})
		if d != (Damage{}) || err != nil || len(told) != 1 || !o.Complete() {
			t.Errorf("%s: a scrub finds %+v, %v; told %+v; complete: %v", name, d, err, told, o.Complete())
		}
		if !o.Complete() {
			heal(t, s, o)
		}
		told = nil
		got := make([]byte, 10)
		if _, err = long.ReadAt(got, 0); err != nil || !bytes.Equal(got, data[:10]) || len(told) > 0 || !o.Complete() {
			t.Errorf("%s: who has it open gets %q, %v; told %+v; complete: %v", name, got, err, told, o.Complete())
		}
		_ = long.Close()
		rot(t, fs, s.blobName(o.Digest), 5)
		if d, err := o.Scrub(t.Context(), unpaced); d.Chunks != 1 || err != nil || o.Complete() {
			t.Errorf("%s: then it goes bad: %+v, %v", name, d, err)
		}
	}
}

// A chunk list that went bad is mended without anybody's help, and never handed out.
func TestChunkListIsMended(t *testing.T) {
	fs := memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, content(31, 3<<20))
	want := nodesOf(t, o)
	rot(t, fs, s.dagName(o.Digest), 100)
	if got := nodesOf(t, o); len(got) != len(want) || !bytes.Equal(got[0], want[0]) {
		t.Error("another chunk list came out")
	}
	rot(t, fs, s.dagName(o.Digest), 100)
	if d, err := o.Scrub(t.Context(), unpaced); err != nil || d != (Damage{}) {
		t.Errorf("%+v, %v", d, err)
	}
	if o, ok := open(t, fs).Object(o.Digest); !ok || !o.Complete() {
		t.Error("it is not there after a restart")
	}
}

// What went bad is not handed out, neither by chunks nor as a blob, and is noticed then.
func TestRotIsNotHandedOut(t *testing.T) {
	data := content(32, 1<<20)
	for name, get := range map[string]func(s *Store, o *Object) error{
		"by chunks": func(_ *Store, o *Object) error {
			buf := make([]byte, 1<<20)
			_, err := o.ReadChunks(0, len(o.Chunks()), buf)
			return err
		},
		"as a blob": func(s *Store, o *Object) error {
			r, err := s.OpenChecked(o.Digest)
			if err != nil {
				return err
			}
			defer r.Close()
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			if !bytes.Equal(got, data[:len(got)]) {
				t.Error("wrong bytes came out")
			}
			return err
		},
	} {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, data)
		rot(t, fs, s.blobName(o.Digest), 700_000)
		if err := get(s, o); !errors.Is(err, ErrDamaged) || o.Complete() {
			t.Errorf("%s: %v", name, err)
		}
		mend(t, o, data)
		if err := get(s, o); err != nil {
			t.Errorf("%s, mended: %v", name, err)
		}
	}
}

// A blob that is opened for reading and is not as it was is noticed.
func TestOpenNotices(t *testing.T) {
	for name, harm := range map[string]func(fs disk.FS, name string){
		"gone":      func(fs disk.FS, n string) { _ = fs.Remove(n) },
		"cut short": func(fs disk.FS, n string) { truncate(t, fs, n, 1000) },
	} {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, content(33, 300_000))
		harm(fs, s.blobName(o.Digest))
		if _, err := s.OpenBlob(o.Digest); !errors.Is(err, ErrDamaged) || o.Complete() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The power goes at any step of forgetting what went bad: the blob is not taken for whole afterwards but with the bytes that
// it had, and what is right of it is not lost but where the list of blobs says so.
func TestPowerCutWhileForgetting(t *testing.T) {
	data := content(34, 1<<20)
	r := rand.New(rand.NewPCG(7, 8))
	kept := 0
	for n := range 40 {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, data)
		rot(t, fs, s.blobName(o.Digest), 500_000)
		left := n
		fs.OnOp = func(string, string) error {
			if left--; left < 0 {
				return errors.New("no power")
			}
			return nil
		}
		_, _ = o.Scrub(context.Background(), unpaced) // it fails, or the cut comes after it
		fs = fs.Crash(r)
		s = open(t, fs)
		got, ok := s.Object(o.Digest)
		if !ok {
			got, _ = s.Begin(o.Want)
		}
		if got.Complete() {
			if d, err := got.Scrub(t.Context(), unpaced); err != nil || d.Chunks > 1 {
				t.Fatalf("cut at %d: %+v, %v", n, d, err)
			}
		}
		if got.Chunks() == nil {
			if err := got.SetNodes(nodesOf(t, o)); err != nil {
				t.Fatal(err)
			}
		}
		if got.Info().Have > 0 {
			kept++
		}
		mend(t, got, data)
		if !bytes.Equal(read(t, s, o.Digest), data) {
			t.Fatalf("cut at %d: other bytes came out", n)
		}
	}
	if kept < 30 {
		t.Errorf("the right chunks were kept %d times of 40", kept)
	}
}

// What went bad on a full disk is told of, though the list of blobs cannot be written: who mends it waits for that.
func TestRotOnAFullDiskIsTold(t *testing.T) {
	data, fs := content(44, 300_000), memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, data)
	rot(t, fs, s.blobName(o.Digest), 1000)
	var told []Damage
	s.OnDamage(func(_ *Object, d Damage) { told = append(told, d) })
	fs.OnOp = func(_, name string) error {
		if strings.Contains(name, "index.json") {
			return disk.ErrFull
		}
		return nil
	}
	d, err := o.Scrub(t.Context(), unpaced)
	if !errors.Is(err, disk.ErrFull) || len(told) != 1 || told[0] != d || d.Chunks != 1 {
		t.Errorf("it says %+v and %v, and told of %+v", d, err, told)
	}
	fs.OnOp = nil
	for _, s := range []*Store{s, open(t, fs)} {
		o, ok := s.Object(o.Digest)
		if !ok || o.Complete() {
			t.Fatalf("it is here: %v", ok)
		}
		if left, ok := o.Spoilt(); !ok || left.Chunks != 1 {
			t.Errorf("to come are %+v, %v", left, ok)
		}
	}
}

// A blob whose file was removed under a running node is noticed by whoever reads its chunks, and mended.
func TestGoneIsNoticedByChunks(t *testing.T) {
	data := content(37, 300_000)
	fs := memdisk.New(0)
	s := open(t, fs)
	o := add(t, s, data)
	var told Damage
	s.OnDamage(func(_ *Object, d Damage) { told = d })
	if err := fs.Remove(s.blobName(o.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ReadChunks(0, 1, make([]byte, MaxChunk)); !errors.Is(err, ErrDamaged) || o.Complete() || !told.Missing {
		t.Errorf("got %v, told of %+v, whole: %v", err, told, o.Complete())
	}
	mend(t, o, data)
	if got, err := readAll(t, o); err != nil || !bytes.Equal(got, data) {
		t.Errorf("mended, %d bytes come out, %v", len(got), err)
	}
}

// A disk that fails while something that went bad is forgotten leaves the blob in its place: what is right of it does not come again.
func TestForgettingFails(t *testing.T) {
	data := content(38, 1<<20)
	for _, dir := range []string{"store/partial", "store/blobs/sha256"} {
		fs := memdisk.New(0)
		s := open(t, fs)
		o := add(t, s, data)
		rot(t, fs, s.blobName(o.Digest), 700_000)
		moved, fails := false, 1
		fs.OnOp = func(op, name string) error {
			moved = moved || op == "rename" && name == s.partName(o.Digest, "")
			if moved && op == "syncdir" && name == dir && fails > 0 {
				fails--
				return errors.New("the disk fails")
			}
			return nil
		}
		if _, err := o.Scrub(t.Context(), unpaced); err == nil || fails > 0 {
			t.Fatalf("%s: the disk did not fail: %v", dir, err)
		}
		if d, err := o.Scrub(t.Context(), unpaced); err != nil || d.Chunks != 1 || d.Missing {
			t.Errorf("%s: %+v, %v", dir, d, err)
		}
		mend(t, o, data)
	}
}
