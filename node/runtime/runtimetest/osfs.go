// Package runtimetest holds what the drivers' tests share: a suite that every driver passes,
// and a disk on the host for drivers that hand paths to others.
package runtimetest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"selvage/internal/disk"
)

// Root is a disk.FS on a directory of the host. It is for tests: Free reports what Room says,
// and paths are not confined.
type Root struct {
	Dir  string
	Room uint64 // bytes; 0 is 1 TiB
}

// NewRoot returns a Root on a directory that lasts as long as the test.
func NewRoot(t testing.TB) *Root { return &Root{Dir: t.TempDir()} }

func (r *Root) host(name string) string { return filepath.Join(r.Dir, filepath.FromSlash(name)) }

func (r *Root) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := os.OpenFile(r.host(name), flag, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File in an interface is not nil
	}
	return unsynced{f}, nil
}

// unsynced spares the tests what they could not see anyway.
type unsynced struct{ *os.File }

func (unsynced) Sync() error { return nil }

func (r *Root) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(r.host(name), perm) }
func (r *Root) Rename(oldName, newName string) error {
	return os.Rename(r.host(oldName), r.host(newName))
}
func (r *Root) Remove(name string) error                   { return os.Remove(r.host(name)) }
func (r *Root) RemoveAll(name string) error                { return os.RemoveAll(r.host(name)) }
func (r *Root) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(r.host(name)) }
func (r *Root) Stat(name string) (fs.FileInfo, error)      { return os.Stat(r.host(name)) }
func (r *Root) Symlink(target, newName string) error       { return os.Symlink(target, r.host(newName)) }
func (r *Root) Readlink(name string) (string, error)       { return os.Readlink(r.host(name)) }

func (r *Root) SyncDir(name string) error {
	_, err := os.Stat(r.host(name))
	return err
}

func (r *Root) Free() (free, total uint64, err error) {
	if r.Room != 0 {
		return r.Room, r.Room, nil
	}
	return 1 << 40, 1 << 40, nil
}
