//go:build darwin || freebsd || dragonfly

package osdisk

import "golang.org/x/sys/unix"

// unit is in what statfs counts, bytes.
func unit(s *unix.Statfs_t) uint64 { return uint64(s.Bsize) }
