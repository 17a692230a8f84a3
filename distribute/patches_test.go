package distribute

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"selvage/distribute/patch"
	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

func storeOf(t *testing.T, fs *memdisk.FS, blobs ...[]byte) (*store.Store, []*store.Object) {
	t.Helper()
	s, err := store.Open(fs, "store")
	if err != nil {
		t.Fatal(err)
	}
	var all []*store.Object
	for _, b := range blobs {
		o, err := s.Add(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return s, all
}

func strewn(b []byte, stretch int) []byte {
	b = bytes.Clone(b)
	for i := 0; i < len(b); i += stretch {
		b[i]++
	}
	return b
}

// nothingHalf fails if something half done is in the store.
func nothingHalf(t *testing.T, fs *memdisk.FS) {
	t.Helper()
	if list, err := fs.ReadDir("store/partial"); err != nil || len(list) != 0 {
		t.Errorf("%d files are left, %v", len(list), err)
	}
}

// TestPatchThroughStores: what one store makes another applies.
func TestPatchThroughStores(t *testing.T) {
	v1 := content(1, 300<<10)
	v2 := strewn(v1, 5000)
	fs := memdisk.New(0)
	s, all := storeOf(t, fs, v1, v2)
	p, err := MakePatch(t.Context(), s, all[0].Digest, all[1].Digest)
	if err != nil || p.Size > 5000 {
		t.Fatalf("%+v, %v", p, err)
	}
	nothingHalf(t, fs)
	r, err := s.OpenBlob(p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	bytesOf := make([]byte, p.Size)
	if _, err := r.ReadAt(bytesOf, 0); err != nil {
		t.Fatal(err)
	}
	there := memdisk.New(0)
	s2, all2 := storeOf(t, there, v1, bytesOf)
	if err := ApplyPatch(t.Context(), s2, all2[0].Digest, all2[1].Digest, all[1].Want); err != nil {
		t.Fatal(err)
	}
	if o, ok := s2.Object(all[1].Digest); !ok || !o.Complete() {
		t.Error("it is not there")
	}
	nothingHalf(t, there)
}

// TestPatchesNotWorthIt: nothing is kept of a patch that saves little.
func TestPatchesNotWorthIt(t *testing.T) {
	fs := memdisk.New(0)
	v1 := content(1, 200<<10)
	s, all := storeOf(t, fs, v1, content(2, 200<<10), nil, append(bytes.Clone(v1), content(3, 100<<10)...), append(bytes.Clone(v1), prose(3, 300<<10)...))
	for name, to := range map[string]*store.Object{"all new": all[1], "empty": all[2], "itself": all[0], "an end that is new": all[3], "new prose, which packs as well": all[4]} {
		if _, err := MakePatch(t.Context(), s, all[0].Digest, to.Digest); !errors.Is(err, ErrNoGain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := MakePatch(t.Context(), s, Digest{1}, all[0].Digest); !errors.Is(err, store.ErrMissing) {
		t.Errorf("from nothing: %v", err)
	}
	nothingHalf(t, fs)
	if n := len(s.Objects()); n != len(all) {
		t.Errorf("%d blobs", n)
	}
}

// TestPatchFaults: whose fault it is that a patch cannot be applied is told, and nothing of it stays.
func TestPatchFaults(t *testing.T) {
	v1 := content(1, 300<<10)
	v2 := strewn(v1, 5000)
	origin, all := storeOf(t, memdisk.New(0), v1, v2, strewn(v1, 6000))
	good, err := MakePatch(t.Context(), origin, all[0].Digest, all[1].Digest)
	if err != nil {
		t.Fatal(err)
	}
	r, err := origin.OpenBlob(good.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	whole := make([]byte, good.Size)
	if _, err := r.ReadAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	otherRoot := all[1].Want
	otherRoot.Root = all[2].Root
	for name, c := range map[string]struct {
		patch []byte
		want  store.Want
		fault error
	}{
		"cut short":          {whole[:len(whole)-30], all[1].Want, patch.ErrForm},
		"of another file":    {content(8, 3000), all[1].Want, patch.ErrForm},
		"to another":         {whole, all[2].Want, patch.ErrResult},
		"another chunk list": {whole, otherRoot, store.ErrCorrupt},
	} {
		fs := memdisk.New(0)
		s, have := storeOf(t, fs, v1, c.patch)
		err := ApplyPatch(t.Context(), s, have[0].Digest, have[1].Digest, c.want)
		if !errors.Is(err, ErrBadPatch) || !errors.Is(err, c.fault) {
			t.Errorf("%s: %v", name, err)
		}
		nothingHalf(t, fs)
		if n := len(s.Objects()); n != 2 {
			t.Errorf("%s: %d blobs", name, n)
		}
	}
	fs := memdisk.New(0)
	s, have := storeOf(t, fs, v1, whole)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ApplyPatch(ctx, s, have[0].Digest, have[1].Digest, all[1].Want); !errors.Is(err, context.Canceled) || errors.Is(err, ErrBadPatch) {
		t.Errorf("cancelled: %v", err)
	}
	fs.OnOp = func(op, _ string) error {
		if op == "write" {
			return disk.ErrFull
		}
		return nil
	}
	if err := ApplyPatch(t.Context(), s, have[0].Digest, have[1].Digest, all[1].Want); !errors.Is(err, disk.ErrFull) || errors.Is(err, ErrBadPatch) {
		t.Errorf("a full disk: %v", err)
	}
	fs.OnOp = nil
	if err := ApplyPatch(t.Context(), s, have[0].Digest, have[1].Digest, all[1].Want); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestPatchOfRottenBlobs: a patch is not blamed for what went bad on this disk, be it the old blob or its own, and that is found out.
func TestPatchOfRottenBlobs(t *testing.T) {
	v1 := content(1, 300<<10)
	v2 := strewn(v1, 5000)
	for name, rotten := range map[string]int{"the old blob": 0, "the patch": 1} {
		origin, all := storeOf(t, memdisk.New(0), v1, v2)
		p, err := MakePatch(t.Context(), origin, all[0].Digest, all[1].Digest)
		if err != nil {
			t.Fatal(err)
		}
		r, err := origin.OpenBlob(p.Digest)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		whole := make([]byte, p.Size)
		if _, err := r.ReadAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		fs := memdisk.New(0)
		s, have := storeOf(t, fs, v1, whole)
		told := 0
		s.OnDamage(func(o *store.Object, _ store.Damage) {
			if o == have[rotten] {
				told++
			}
		})
		f, err := fs.OpenFile("store/blobs/sha256/"+have[rotten].Digest.String(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("rot"), have[rotten].Size/2); err != nil {
			t.Fatal(err)
		}
		err = ApplyPatch(t.Context(), s, have[0].Digest, have[1].Digest, all[1].Want)
		if !errors.Is(err, store.ErrDamaged) || errors.Is(err, ErrBadPatch) || told != 1 {
			t.Errorf("%s: %v, told %d times", name, err, told)
		}
		nothingMade(t, s, all[1].Digest)
	}
}

// nothingMade fails if the store has any of a blob.
func nothingMade(t *testing.T, s *store.Store, d Digest) {
	t.Helper()
	if _, ok := s.Object(d); ok {
		t.Error("the store has some of it")
	}
}
