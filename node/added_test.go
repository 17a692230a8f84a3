package node

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"testing/synctest"
	"time"

	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/node/api"
)

// TestAddedIsKept: a disk that is filling up does not cost what is about to be released, nor the patches to it.
func TestAddedIsKept(t *testing.T) {
	t.Parallel()
	f := foundOn(t, func() disk.FS { return memdisk.New(1 << 20) })
	v1 := content(1, 460<<10)
	if _, err := f.seed(f.founder, "app@v1", v1); err != nil {
		t.Fatal(err)
	}
	v2 := f.add(f.founder, altered(v1, 4<<10))
	made := f.patchesFor(f.founder, "app", v2, 1)
	if len(made) != 1 {
		t.Fatalf("patches: %+v", made)
	}
	f.founder.makeRoom(0)
	for _, digest := range []string{v2.Digest, made[0].Digest} {
		if !f.founder.blobOf(digest).Complete {
			t.Errorf("%.12s was given up", digest)
		}
	}
}

// TestAddedIsForgotten: what nobody releases is not kept for ever.
func TestAddedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{added: map[store.Digest]time.Time{}}
		n.noteAdded(store.Digest{1})
		time.Sleep(addedFor)
		n.noteAdded(store.Digest{2})
		if got := n.lately(); len(got) != 2 {
			t.Errorf("kept %v", got)
		}
		time.Sleep(time.Second)
		if got := n.lately(); len(got) != 1 || len(n.added) != 1 {
			t.Errorf("kept %v of %v", got, n.added)
		}
	})
}

// TestAddedAsRoomIsMade: that a blob is here is not said while room is made, which may have looked before it was, nor once that has given it up.
func TestAddedAsRoomIsMade(t *testing.T) {
	t.Parallel()
	m := found(t).founder
	data := content(3, 1000)
	d := store.Digest(sha256.Sum256(data))
	tidied := func(what string, do func() error) {
		t.Helper()
		m.tidying.Lock()
		done := make(chan error, 1)
		go func() { done <- do() }()
		eventually(t, "the blob is there", func() bool { return m.complete(d) })
		time.Sleep(10 * time.Millisecond) // it has no more to do than to say so
		if err := m.store.Remove(d); err != nil {
			t.Error(err)
		}
		m.tidying.Unlock()
		if err := <-done; err == nil {
			t.Errorf("%s: the blob is gone, and that is not said", what)
		}
	}
	tidied("add", func() error { _, err := m.AddBlob(t.Context(), bytes.NewReader(data)); return err })
	if _, err := m.AddBlob(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	tidied("pin", func() error { _, err := m.Pin(api.PinChange{Add: []string{d.String()[:8]}}); return err })
}
