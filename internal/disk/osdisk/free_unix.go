//go:build linux || darwin || freebsd || dragonfly

package osdisk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free implements disk.FS: what an ordinary user may still write.
func (f *FS) Free() (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(f.dir, &s); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", f.dir, err)
	}
	return uint64(max(0, s.Bavail)) * unit(&s), s.Blocks * unit(&s), nil
}
