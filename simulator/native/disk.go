package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"selvage/internal/disk"
	"selvage/ledger"
	"selvage/ledger/memlog"
)

var errDead = errors.New("the machine is off")

// machineFS is a machine's disk as its node sees it, with the faults that it has.
type machineFS struct {
	disk.FS
	m    *machine
	life *life
}

// check says why nothing can be written now.
func (f *machineFS) check(op, name string) error {
	if err := f.alive(op, name); err != nil {
		return err
	}
	if f.m.full.Load() > 0 {
		return fmt.Errorf("%s %s: %w", op, name, disk.ErrFull)
	}
	return nil
}

// alive says that the machine is off, if it is: what makes room may be done on a full disk. While the
// machine stands still it waits.
func (f *machineFS) alive(op, name string) error {
	if !f.life.goes() {
		return fmt.Errorf("%s %s: %w", op, name, errDead)
	}
	return nil
}

// sync is alive for what makes something durable, which may take its time.
func (f *machineFS) sync(name string) error {
	if err := f.alive("sync", name); err != nil {
		return err
	}
	f.life.rest(f.m.stillness.syncTime())
	return f.alive("sync", name)
}

func (f *machineFS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE) != 0 {
		if err := f.check("open", name); err != nil {
			return nil, err
		}
	}
	file, err := f.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &machineFile{File: file, fs: f, name: name}, nil
}

func (f *machineFS) MkdirAll(name string, perm fs.FileMode) error {
	check := f.check
	if info, err := f.FS.Stat(name); err == nil && info.IsDir() {
		check = f.alive // what is there takes no room
	}
	if err := check("mkdir", name); err != nil {
		return err
	}
	return f.FS.MkdirAll(name, perm)
}

func (f *machineFS) Rename(oldName, newName string) error {
	if err := f.alive("rename", oldName); err != nil {
		return err
	}
	return f.FS.Rename(oldName, newName)
}

func (f *machineFS) Remove(name string) error {
	if err := f.alive("remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *machineFS) RemoveAll(name string) error {
	if err := f.alive("remove", name); err != nil {
		return err
	}
	return f.FS.RemoveAll(name)
}

func (f *machineFS) Symlink(target, newName string) error {
	if err := f.check("symlink", newName); err != nil {
		return err
	}
	return f.FS.Symlink(target, newName)
}

func (f *machineFS) SyncDir(name string) error {
	if err := f.sync(name); err != nil {
		return err
	}
	return f.FS.SyncDir(name)
}

// Free implements disk.FS. A full disk has none.
func (f *machineFS) Free() (free, total uint64, err error) {
	free, total, err = f.FS.Free()
	if f.m.full.Load() > 0 {
		free = 0
	}
	return free, total, err
}

// machineFile is an open file of a machineFS.
type machineFile struct {
	disk.File
	fs   *machineFS
	name string
}

func (f *machineFile) Write(p []byte) (int, error) {
	if err := f.fs.check("write", f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *machineFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.check("write", f.name); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

// Clone implements disk.Cloner.
func (f *machineFile) Clone(src disk.File, to, from, n int64) error {
	if err := f.fs.check("clone", f.name); err != nil {
		return err
	}
	s, ok := src.(*machineFile)
	if !ok {
		return fmt.Errorf("clone %s: %w", f.name, errors.ErrUnsupported)
	}
	return disk.Clone(f.File, s.File, to, from, n)
}

func (f *machineFile) Sync() error {
	if err := f.fs.sync(f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *machineFile) Truncate(size int64) error {
	if err := f.fs.check("truncate", f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// ReadAt reads wrong what the machine serves to others, while it is poisoned.
func (f *machineFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if f.fs.m.poison.Load() > 0 && strings.Contains(f.name, "/blobs/sha256/") {
		for i := range p[:n] {
			p[i] ^= 0xff
		}
	}
	return n, err
}

// machineLog is a machine's ledger file as its node sees it. What is committed is durable.
type machineLog struct {
	*memlog.Log
	m    *machine
	life *life
}

var _ ledger.Log = (*machineLog)(nil)

func (l *machineLog) Commit(b ledger.Batch) error {
	if !l.life.goes() {
		return errDead
	}
	if l.m.full.Load() > 0 {
		return disk.ErrFull
	}
	l.life.rest(l.m.stillness.syncTime())
	if !l.life.goes() {
		return errDead
	}
	return l.Log.Commit(b)
}

// Get reads wrong what others wrote, while the machine forges: the last byte of an entry is its signature's. The ledger
// reads its log so for its peers; what it starts from it reads with Scan.
func (l *machineLog) Get(feed string, seq uint64) ([]byte, error) {
	data, err := l.Log.Get(feed, seq)
	if l.m.forge.Load() == 0 || err != nil {
		return data, err
	}
	if f, err := ledger.ParseFeed(feed); err == nil && f.Author != l.m.id && len(data) > 0 {
		data[len(data)-1] ^= 0xff // a copy
	}
	return data, nil
}
