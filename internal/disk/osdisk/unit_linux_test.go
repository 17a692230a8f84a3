package osdisk

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestBlocksAreFragments: where a file system says how large its blocks are and how large it likes its transfers to be, as FUSE does, it
// is blocks that it counts.
func TestBlocksAreFragments(t *testing.T) {
	if got := unit(&unix.Statfs_t{Bsize: 1 << 20, Frsize: 4096}); got != 4096 {
		t.Errorf("blocks of %d bytes", got)
	}
	if got := unit(&unix.Statfs_t{Bsize: 4096}); got != 4096 {
		t.Errorf("of a kernel that does not say: %d bytes", got)
	}
}
