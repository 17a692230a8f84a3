package osdisk

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"selvage/internal/disk"
)

var _ disk.Cloner = file{}

// Clone implements disk.Cloner, where the file system has reflinks: btrfs, xfs, bcachefs and some of the network.
func (f file) Clone(src disk.File, to, from, n int64) error {
	s, ok := src.(file)
	if !ok {
		return fmt.Errorf("clone %s: %w", f.Name(), errors.ErrUnsupported)
	}
	err := f.with(func(dst uintptr) error {
		return s.with(func(src uintptr) error {
			return unix.IoctlFileCloneRange(int(dst), &unix.FileCloneRange{
				Src_fd: int64(src), Src_offset: uint64(from), Src_length: uint64(n), Dest_offset: uint64(to)})
		})
	})
	if errors.Is(err, syscall.ENOTTY) || errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EINVAL) {
		err = fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	if err != nil {
		return fmt.Errorf("clone %s: %w", f.Name(), full(err))
	}
	return nil
}

// with calls do with the file's descriptor, which stays open meanwhile.
func (f file) with(do func(fd uintptr) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := c.Control(func(fd uintptr) { done = do(fd) }); err != nil {
		return err
	}
	return done
}
