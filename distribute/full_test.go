package distribute

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// fullAfter has a disk fail everything that takes room, from the n-th such operation on.
func fullAfter(fs *memdisk.FS, n int) {
	var done atomic.Int64
	fs.OnOp = func(op, _ string) error {
		if op != "write" && op != "sync" && op != "open" {
			return nil
		}
		if done.Add(1) > int64(n) {
			return disk.ErrFull
		}
		return nil
	}
}

// fullEverywhere has an operation done on disks that are full after one write, two, and so on, until one is not. Each time it
// has to fail for that reason, and to succeed once there is room.
func fullEverywhere(t *testing.T, do func(t *testing.T, n int) (fs *memdisk.FS, run func() error)) {
	t.Helper()
	for n := range 300 {
		fs, run := do(t, n)
		fullAfter(fs, n)
		err := run()
		fs.OnOp = nil
		if err == nil {
			if n < 3 {
				t.Errorf("a disk that is full after %d writes does not matter", n)
			}
			return
		}
		if !errors.Is(err, disk.ErrFull) || errors.Is(err, ErrBadPatch) {
			t.Fatalf("full after %d: %v", n, err)
		}
		if err := run(); err != nil {
			t.Fatalf("room again after %d: %v", n, err)
		}
	}
	t.Error("it always fails")
}

// A disk that is full at any write of a fetch ends it with that reason, blames nobody, and loses nothing.
func TestFetchOnAFullDisk(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed := w.node("a")
		data := content(60, 300<<10)
		want := seed.add(data)
		fullEverywhere(t, func(t *testing.T, _ int) (*memdisk.FS, func() error) {
			n := w.node("a")
			w.net.connect(n.port, seed.port)
			return n.fs, func() error {
				if err := n.fetch(want, time.Minute); err != nil {
					return err
				}
				n.holds(want, data)
				if len(n.blamed)+len(n.failing) > 0 {
					t.Errorf("blamed %v, told of %q", n.blamed, n.failing)
				}
				return nil
			}
		})
	})
}

// The same of a blob that is added here, and of patches.
func TestPatchOnAFullDisk(t *testing.T) {
	v1 := content(61, 200<<10)
	v2 := strewn(v1, 5000)
	bytesOf := func(s *store.Store, d Digest) []byte {
		r, err := s.OpenBlob(d)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b := make([]byte, r.Size())
		if _, err := r.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		return b
	}
	origin, all := storeOf(t, memdisk.New(0), v1, v2)
	p, err := MakePatch(t.Context(), origin, all[0].Digest, all[1].Digest)
	if err != nil {
		t.Fatal(err)
	}
	made := bytesOf(origin, p.Digest)
	for name, do := range map[string]func(s *store.Store) error{
		"add": func(s *store.Store) error {
			_, err := s.Add(context.Background(), bytes.NewReader(v2))
			return err
		},
		"make": func(s *store.Store) error {
			if _, err := s.Add(context.Background(), bytes.NewReader(v2)); err != nil {
				return err
			}
			got, err := MakePatch(context.Background(), s, all[0].Digest, all[1].Digest)
			if err == nil && got.Digest != p.Digest {
				err = errors.New("another patch")
			}
			return err
		},
		"apply": func(s *store.Store) error {
			if _, err := s.Add(context.Background(), bytes.NewReader(made)); err != nil {
				return err
			}
			return ApplyPatch(context.Background(), s, all[0].Digest, p.Digest, all[1].Want)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fullEverywhere(t, func(t *testing.T, _ int) (*memdisk.FS, func() error) {
				fs := memdisk.New(0)
				s, _ := storeOf(t, fs, v1)
				return fs, func() error {
					if err := do(s); err != nil {
						return err
					}
					nothingHalf(t, fs)
					if !bytes.Equal(bytesOf(s, all[1].Digest), v2) {
						t.Error("other bytes came out")
					}
					return nil
				}
			})
		})
	}
}

// A blob that went bad on a disk that is full stays as it is known, and is mended when there is room.
func TestMendOnAFullDisk(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed := w.node("a")
		data := content(62, 300<<10)
		want := seed.add(data)
		fullEverywhere(t, func(t *testing.T, _ int) (*memdisk.FS, func() error) {
			n := w.node("a")
			n.add(data)
			w.net.connect(n.port, seed.port)
			f, err := n.fs.OpenFile("store/blobs/sha256/"+want.Digest.String(), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte("rot"), 100_000); err != nil {
				t.Fatal(err)
			}
			return n.fs, func() error {
				o, _ := n.store.Object(want.Digest)
				if _, err := o.Scrub(context.Background(), func(int) error { return nil }); err != nil {
					return err
				}
				if err := n.fetch(want, time.Minute); err != nil {
					return err
				}
				n.holds(want, data)
				return nil
			}
		})
	})
}
