//go:build unix

package osdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// removes is set in the environment of a copy of the test program that is not root: what to remove, in which directory.
const removes = "OSDISK_REMOVES"

func TestMain(m *testing.M) {
	if dir := os.Getenv(removes); dir != "" {
		f, err := Open(dir)
		if err == nil {
			err = f.RemoveAll("run")
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Directories that a program has made read-only, as the Go command does with what it downloads, can be removed by who is not root.
func TestRemovesReadOnly(t *testing.T) {
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("only there can another user execute the test program, wherever it lies")
	}
	top := t.TempDir()
	state, outside := filepath.Join(top, "state"), filepath.Join(top, "outside")
	for _, dir := range []string{filepath.Join(state, "run/data/pkg/mod"), filepath.Join(state, "run/data/secret/deep"), outside} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(outside, filepath.Join(state, "run/data/link")), os.WriteFile(filepath.Join(state, "run/data/pkg/mod/file"), nil, 0o400)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), removes+"="+state)
	if os.Getuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := filepath.WalkDir(filepath.Dir(top), func(name string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(name, nobody, nobody))
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		dir  string
		mode fs.FileMode
	}{{"state/run/data/pkg/mod", 0o500}, {"state/run/data/pkg", 0o500}, {"state/run/data/secret", 0}, {"outside", 0o500}} {
		if err := os.Chmod(filepath.Join(top, c.dir), c.mode); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Lstat(filepath.Join(state, "run")); err == nil {
		t.Error("it is still there")
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("what a link leads to: %v, %v", info, err)
	}
}
