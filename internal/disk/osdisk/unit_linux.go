package osdisk

import "golang.org/x/sys/unix"

// unit is in what statfs counts, bytes. Bsize is how much is best read at a time: on most file systems the same.
func unit(s *unix.Statfs_t) uint64 {
	if s.Frsize > 0 {
		return uint64(s.Frsize)
	}
	return uint64(s.Bsize)
}
