//go:build linux || darwin

package replay

import "golang.org/x/sys/unix"

// reserve returns zeroed memory of n bytes that costs addresses only, until it is written to.
func reserve(n uint64) (buf []byte, release func(), err error) {
	buf, err = unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, err
	}
	return buf, func() { _ = unix.Munmap(buf) }, nil // it was mapped
}
