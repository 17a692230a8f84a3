package osdisk

import (
	"errors"
	"syscall"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/disktest"
)

func TestFS(t *testing.T) {
	disktest.Run(t, func(t *testing.T) disk.FS {
		f, err := Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	})
}

func TestFullIsNamed(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		if !errors.Is(full(err), disk.ErrFull) {
			t.Errorf("%v is not ErrFull", err)
		}
	}
	if errors.Is(full(syscall.EIO), disk.ErrFull) || full(nil) != nil {
		t.Error("other errors are ErrFull too")
	}
}
