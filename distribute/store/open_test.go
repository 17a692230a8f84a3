package store

import (
	"math/rand/v2"
	"testing"

	"selvage/internal/disk/memdisk"
)

// TestOpenAfterPowerCut opens a store whose power went before anything was kept in it, when the disk has been filled up
// meanwhile: what it made at first is still there.
func TestOpenAfterPowerCut(t *testing.T) {
	for seed := range uint64(50) {
		fs := memdisk.New(0)
		s, err := Open(fs, "store")
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		after := fs.Crash(rand.New(rand.NewPCG(seed, 0)))
		for _, d := range []string{"store/blobs/sha256", "store/dag", "store/partial", "store/oci-layout"} {
			if _, err := after.Stat(d); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}
