// Package disk is the port through which Selvage touches files.
//
// Everything that a node keeps lives below one directory, its state directory, and is named
// by slash-separated paths relative to it. Nothing outside that directory can be reached
// through an FS. The adapter for real disks is internal/disk/osdisk; memdisk is its twin in
// memory; disktest holds the tests that both pass.
//
// A file's bytes are durable once Sync returns; a name (created, renamed, removed) is durable
// once SyncDir of its directory returns. Code that must survive power loss calls both, in that
// order. WriteFile does.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// ErrFull is in the chain of every error that says the disk has no room.
var ErrFull = errors.New("disk full")

// File is an open file. ReadAt and WriteAt may be called from several goroutines at once.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

// Block is what Clone counts in, in bytes. File systems with larger blocks refuse what is no multiple of theirs.
const Block = 4 << 10

// Cloner is a File of a file system that can have files share places on the disk.
type Cloner interface {
	// Clone is as the function Clone has it; src is a file of the same FS.
	Clone(src File, to, from, n int64) error
}

// Clone makes n bytes of dst, from offset to on, those that src has from offset from on, by having both files share them on the disk until one is
// written to there. All three are multiples of Block. Like a write it is durable once dst is synced. On an error the
// bytes of dst may be the old ones or the new; errors.ErrUnsupported is in its chain if the files cannot share.
func Clone(dst, src File, to, from, n int64) error {
	c, ok := dst.(Cloner)
	if !ok {
		return fmt.Errorf("clone: %w", errors.ErrUnsupported)
	}
	return c.Clone(src, to, from, n)
}

// FS is a tree of files. It is safe for concurrent use. Links within the tree are followed, but for
// one at the very end of a name that is renamed, removed or made.
// Errors satisfy errors.Is with fs.ErrNotExist and fs.ErrExist, and with ErrFull where space ran out.
type FS interface {
	// OpenFile takes os.O_* flags.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	MkdirAll(name string, perm fs.FileMode) error
	// Rename replaces newName if it exists, atomically for anyone who looks.
	Rename(oldName, newName string) error
	Remove(name string) error
	RemoveAll(name string) error
	// ReadDir lists a directory in the order of names.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// Symlink makes newName a link to target, which is read relative to newName's directory.
	Symlink(target, newName string) error
	Readlink(name string) (string, error)
	SyncDir(name string) error
	// Free returns the bytes that may still be written, and the size of the whole.
	Free() (free, total uint64, err error)
}

// ReadFile returns the whole of a file, which must be at most limit bytes long.
func ReadFile(f FS, name string, limit int64) ([]byte, error) {
	file, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read %s: longer than %d bytes", name, limit)
	}
	return b, nil
}

// WriteFile replaces a file's contents: after a crash at any point the file holds either all
// of the old bytes or all of the new ones, and once WriteFile has returned, the new ones.
func WriteFile(f FS, name string, data []byte, perm fs.FileMode) error {
	tmp := name + ".tmp"
	file, err := f.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = f.Rename(tmp, name)
	}
	if err != nil {
		_ = f.Remove(tmp) // best effort: the error that matters is the first
		return fmt.Errorf("write %s: %w", name, err)
	}
	return f.SyncDir(path.Dir(name))
}
