package disk_test

import (
	"errors"
	"io/fs"
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// Whichever operation of WriteFile fails, the old bytes or the new ones are there, whole, and no
// leftover that a next WriteFile would trip over.
func TestWriteFileFailsCleanly(t *testing.T) {
	broken := errors.New("broken")
	for last := 0; ; last++ {
		f, steps := memdisk.New(0), 0
		if err := disk.WriteFile(f, "f", []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.OnOp = func(string, string) error {
			if steps++; steps == last+1 {
				return broken
			}
			return nil
		}
		err := disk.WriteFile(f, "f", []byte("new"), 0o600)
		f.OnOp = nil
		b, rerr := disk.ReadFile(f, "f", 9)
		if rerr != nil || err == nil && string(b) != "new" || string(b) != "old" && string(b) != "new" {
			t.Fatalf("after %d operations: %q, %v", last, b, rerr)
		}
		if err != nil && !errors.Is(err, broken) {
			t.Fatalf("after %d operations: %v", last, err)
		}
		if _, err := f.Stat("f.tmp"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after %d operations: a leftover", last)
		}
		if err == nil {
			return
		}
	}
}
