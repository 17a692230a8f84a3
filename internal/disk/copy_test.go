package disk_test

import (
	"testing"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
)

// TestCopyTree: files, links and directories are all there.
func TestCopyTree(t *testing.T) {
	from, to := memdisk.New(0), memdisk.New(0)
	if err := from.MkdirAll("a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"top", "a/b/deep"} {
		if err := disk.WriteFile(from, name, []byte("in "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Symlink("b", "a/link"); err != nil {
		t.Fatal(err)
	}
	if err := disk.CopyTree(from, to, "."); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"top", "a/b/deep", "a/link/deep"} {
		got, err := disk.ReadFile(to, name, 100)
		if want, _ := disk.ReadFile(from, name, 100); err != nil || string(got) != string(want) {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	if target, err := to.Readlink("a/link"); err != nil || target != "b" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if err := disk.CopyTree(from, to, "nowhere"); err == nil {
		t.Error("what is not there was copied")
	}
}
