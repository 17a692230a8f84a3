// Package osdisk is the disk.FS of a directory of this machine. Nothing outside the directory can
// be reached through it, not by way of links either (os.Root).
package osdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"selvage/internal/disk"
)

// FS is a directory of this machine.
type FS struct {
	dir  string
	root *os.Root
}

var _ disk.FS = (*FS)(nil)

// Open opens a directory, made with mode 0700 if need be.
func Open(dir string) (*FS, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, full(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &FS{dir, root}, nil
}

// Path returns where a file lies on the host, for those who must hand a path to others. It is
// below the directory whatever the name, but links in it are not looked at.
func (f *FS) Path(name string) string {
	return filepath.Join(f.dir, filepath.FromSlash(path.Clean("/"+name)))
}

// Close lets go of the directory.
func (f *FS) Close() error { return f.root.Close() }

// full puts disk.ErrFull into the chain of errors that say so.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", disk.ErrFull, err)
	}
	return err
}

// file is an os.File whose errors say when the disk is full.
type file struct{ *os.File }

func (f file) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, full(err)
}

func (f file) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, full(err)
}

func (f file) Sync() error               { return full(f.File.Sync()) }
func (f file) Truncate(size int64) error { return full(f.File.Truncate(size)) }
func (f file) Close() error              { return full(f.File.Close()) }

// OpenFile implements disk.FS.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	o, err := f.root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, full(err)
	}
	return file{o}, nil
}

// MkdirAll implements disk.FS.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error { return full(f.root.MkdirAll(name, perm)) }

// Rename implements disk.FS.
func (f *FS) Rename(oldName, newName string) error { return full(f.root.Rename(oldName, newName)) }

// Remove implements disk.FS.
func (f *FS) Remove(name string) error { return f.root.Remove(name) }

// RemoveAll implements disk.FS. It removes directories that were made read-only too, as programs do with what they download.
func (f *FS) RemoveAll(name string) error {
	err := f.root.RemoveAll(name)
	if errors.Is(err, fs.ErrPermission) {
		f.unlock(path.Clean(name))
		err = f.root.RemoveAll(name)
	}
	return err
}

// unlock has what lies in a directory be the owner's to remove, where that can be.
func (f *FS) unlock(dir string) {
	if info, err := f.root.Lstat(dir); err != nil || !info.IsDir() {
		return // what a link leads to is not to be removed
	}
	_ = fs.WalkDir(f.root.FS(), dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = f.root.Chmod(name, 0o700) // before it is read; what cannot be changed cannot be removed either, which is told then
		}
		return nil
	})
}

// ReadDir implements disk.FS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	d, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.ReadDir(-1)
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// Stat implements disk.FS.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.root.Stat(name) }

// Symlink implements disk.FS.
func (f *FS) Symlink(target, newName string) error { return full(f.root.Symlink(target, newName)) }

// Readlink implements disk.FS.
func (f *FS) Readlink(name string) (string, error) { return f.root.Readlink(name) }

// SyncDir implements disk.FS.
func (f *FS) SyncDir(name string) error {
	d, err := f.root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return full(d.Sync())
}
