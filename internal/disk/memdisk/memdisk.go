// Package memdisk is a disk.FS in memory, for tests and simulations. It can be given a size, made
// to fail at any operation, and made to lose what was not synced, as a power cut does.
package memdisk

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"selvage/internal/disk"
)

// FS is a tree of files in memory. Make one with New.
type FS struct {
	// OnOp, if set, is called before each operation that changes something, with its name
	// ("write", "sync", "rename", ...) and the file's; the operation fails with what it returns.
	OnOp func(op, name string) error

	mu       sync.Mutex
	nodes    map[string]*node // by clean path; "." is the root
	durable  map[string]*node // the names as they were last synced
	capacity int64            // bytes; 0 is no limit
	used     int64
}

// node is a file, a directory or a link.
type node struct {
	mode   fs.FileMode
	data   []byte
	synced []byte // what a power cut leaves for certain
	dirty  bool   // data differs from synced
	target string
	mtime  time.Time
}

var _ disk.FS = (*FS)(nil)

// New returns an empty tree that holds at most capacity bytes of data; 0 is no limit.
func New(capacity int64) *FS {
	root := &node{mode: fs.ModeDir | 0o700}
	return &FS{nodes: map[string]*node{".": root}, durable: map[string]*node{".": root}, capacity: capacity}
}

func (f *FS) op(op, name string) error {
	if f.OnOp == nil {
		return nil
	}
	return f.OnOp(op, name)
}

func clean(op, name string) (string, error) {
	if !fs.ValidPath(path.Clean(name)) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return path.Clean(name), nil
}

func missing(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// parent checks that name's directory is there. The caller holds mu.
func (f *FS) parent(op, name string) error {
	if p := f.nodes[path.Dir(name)]; p == nil || !p.mode.IsDir() {
		return missing(op, name)
	}
	return nil
}

// OpenFile implements disk.FS. Links are not followed.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	p, err := clean("open", name)
	if err != nil {
		return nil, err
	}
	if flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		if err := f.op("open", p); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[p]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, missing("open", name)
	case n == nil:
		if err := f.parent("open", p); err != nil {
			return nil, err
		}
		n = &node{mode: perm, mtime: time.Now()}
		f.nodes[p] = n
	case flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n.mode.IsDir():
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	case flag&os.O_TRUNC != 0:
		f.used -= int64(len(n.data))
		n.data, n.dirty = nil, true
	}
	return &file{fs: f, n: n, name: p, appends: flag&os.O_APPEND != 0, writes: flag&(os.O_WRONLY|os.O_RDWR) != 0}, nil
}

// MkdirAll implements disk.FS.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	p, err := clean("mkdir", name)
	if err != nil {
		return err
	}
	if err := f.op("mkdir", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for at := ""; at != p; {
		rest := strings.TrimPrefix(p, at)
		next, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		at = path.Join(at, next)
		if n := f.nodes[at]; n == nil {
			f.nodes[at] = &node{mode: fs.ModeDir | perm, mtime: time.Now()}
		} else if !n.mode.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
	}
	return nil
}

// Rename implements disk.FS.
func (f *FS) Rename(oldName, newName string) error {
	from, err := clean("rename", oldName)
	if err != nil {
		return err
	}
	to, err := clean("rename", newName)
	if err != nil {
		return err
	}
	if err := f.op("rename", to); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes[from] == nil {
		return missing("rename", oldName)
	}
	if err := f.parent("rename", to); err != nil {
		return err
	}
	if from == to {
		return nil
	}
	if old := f.nodes[to]; old != nil {
		if old.mode.IsDir() && f.hasChildren(to) {
			return &fs.PathError{Op: "rename", Path: newName, Err: fs.ErrExist}
		}
		f.forget(to)
	}
	for p, n := range maps.Clone(f.nodes) {
		if p == from || strings.HasPrefix(p, from+"/") {
			delete(f.nodes, p)
			f.nodes[to+strings.TrimPrefix(p, from)] = n
		}
	}
	return nil
}

func (f *FS) hasChildren(p string) bool {
	for q := range f.nodes {
		if strings.HasPrefix(q, p+"/") {
			return true
		}
	}
	return false
}

// forget drops a name. The caller holds mu.
func (f *FS) forget(p string) {
	f.used -= int64(len(f.nodes[p].data))
	delete(f.nodes, p)
}

// Remove implements disk.FS.
func (f *FS) Remove(name string) error {
	p, err := clean("remove", name)
	if err != nil {
		return err
	}
	if err := f.op("remove", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes[p] == nil {
		return missing("remove", name)
	}
	if f.hasChildren(p) || p == "." {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrExist}
	}
	f.forget(p)
	return nil
}

// RemoveAll implements disk.FS.
func (f *FS) RemoveAll(name string) error {
	p, err := clean("removeall", name)
	if err != nil {
		return err
	}
	if err := f.op("removeall", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for q := range maps.Clone(f.nodes) {
		if q == p || strings.HasPrefix(q, p+"/") {
			f.forget(q)
		}
	}
	return nil
}

// ReadDir implements disk.FS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := clean("readdir", name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.nodes[p]; n == nil || !n.mode.IsDir() {
		return nil, missing("readdir", name)
	}
	var out []fs.DirEntry
	for _, q := range slices.Sorted(maps.Keys(f.nodes)) {
		if q != "." && path.Dir(q) == p {
			out = append(out, fs.FileInfoToDirEntry(f.nodes[q].info(q)))
		}
	}
	return out, nil
}

// Stat implements disk.FS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	p, err := clean("stat", name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[p]
	if n != nil && n.mode&fs.ModeSymlink != 0 {
		n = f.nodes[path.Join(path.Dir(p), n.target)]
	}
	if n == nil {
		return nil, missing("stat", name)
	}
	return n.info(p), nil
}

// Symlink implements disk.FS.
func (f *FS) Symlink(target, newName string) error {
	p, err := clean("symlink", newName)
	if err != nil {
		return err
	}
	if err := f.op("symlink", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes[p] != nil {
		return &fs.PathError{Op: "symlink", Path: newName, Err: fs.ErrExist}
	}
	if err := f.parent("symlink", p); err != nil {
		return err
	}
	f.nodes[p] = &node{mode: fs.ModeSymlink | 0o777, target: target, mtime: time.Now()}
	return nil
}

// Readlink implements disk.FS.
func (f *FS) Readlink(name string) (string, error) {
	p, err := clean("readlink", name)
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[p]
	switch {
	case n == nil:
		return "", missing("readlink", name)
	case n.mode&fs.ModeSymlink == 0:
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.target, nil
}

// SyncDir implements disk.FS.
func (f *FS) SyncDir(name string) error {
	p, err := clean("syncdir", name)
	if err != nil {
		return err
	}
	if err := f.op("syncdir", p); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.nodes[p]; n == nil || !n.mode.IsDir() {
		return missing("syncdir", name)
	}
	for q := range f.durable {
		if q != "." && path.Dir(q) == p && f.nodes[q] == nil {
			delete(f.durable, q)
		}
	}
	for q, n := range f.nodes {
		if q == p || path.Dir(q) == p {
			f.durable[q] = n
		}
	}
	return nil
}

// Free implements disk.FS.
func (f *FS) Free() (free, total uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.capacity == 0 {
		return 1 << 40, 1 << 40, nil
	}
	return uint64(max(0, f.capacity-f.used)), uint64(f.capacity), nil
}

// Crash returns the tree as a power cut may leave it. Names that were not synced with their
// directory are as before, or as after, as r decides; so is each 4 KiB page of bytes not synced.
// The tree it is called on must not be used any more.
func (f *FS) Crash(r *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := New(f.capacity)
	names := map[string]*node{}
	for _, p := range slices.Sorted(maps.Keys(f.durable)) {
		if f.nodes[p] == f.durable[p] || r.IntN(2) == 0 {
			names[p] = f.durable[p]
		} else if n := f.nodes[p]; n != nil {
			names[p] = n
		}
	}
	for _, p := range slices.Sorted(maps.Keys(f.nodes)) {
		if _, known := f.durable[p]; !known && r.IntN(2) == 0 {
			names[p] = f.nodes[p]
		}
	}
	for _, p := range slices.Sorted(maps.Keys(names)) {
		if dir := names[path.Dir(p)]; p != "." && (dir == nil || !dir.mode.IsDir()) {
			delete(names, p) // its directory did not come through
			continue
		}
		n := *names[p]
		n.data = n.survive(r)
		n.synced, n.dirty = slices.Clone(n.data), false
		out.nodes[p], out.durable[p] = &n, &n
		out.used += int64(len(n.data))
	}
	return out
}

const page = 4096 // bytes that are torn as one

// survive returns what is left of a file's bytes.
func (n *node) survive(r *rand.Rand) []byte {
	if !n.dirty || n.mode&(fs.ModeDir|fs.ModeSymlink) != 0 {
		return slices.Clone(n.data)
	}
	size := len(n.synced)
	if r.IntN(2) == 0 {
		size = len(n.data)
	}
	out := make([]byte, size)
	copy(out, n.synced)
	for at := 0; at < min(size, len(n.data)); at += page {
		if r.IntN(2) == 0 {
			end := min(at+page, size, len(n.data))
			copy(out[at:end], n.data[at:end])
		}
	}
	return out
}

func (n *node) info(p string) fs.FileInfo {
	return info{name: path.Base(p), size: int64(len(n.data)), mode: n.mode, mtime: n.mtime}
}

type info struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.mtime }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

// file is an open file.
type file struct {
	fs      *FS
	n       *node
	name    string
	appends bool
	writes  bool

	at     int64 // guarded by fs.mu
	closed bool
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Read(p []byte) (int, error) {
	f.fs.mu.Lock()
	at := f.at
	f.fs.mu.Unlock()
	n, err := f.ReadAt(p, at)
	f.fs.mu.Lock()
	f.at += int64(n)
	f.fs.mu.Unlock()
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	at := f.at
	if f.appends {
		at = int64(len(f.n.data))
	}
	f.fs.mu.Unlock()
	n, err := f.WriteAt(p, at)
	f.fs.mu.Lock()
	f.at = at + int64(n)
	f.fs.mu.Unlock()
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.op("write", f.name); err != nil {
		return 0, err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed || !f.writes {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	if err := f.resize(max(int64(len(f.n.data)), off+int64(len(p)))); err != nil {
		return 0, err
	}
	f.n.dirty, f.n.mtime = true, time.Now()
	return copy(f.n.data[off:], p), nil
}

// resize grows or cuts the file. The caller holds the tree's mu.
func (f *file) resize(size int64) error {
	grow := size - int64(len(f.n.data))
	if f.fs.capacity > 0 && f.fs.used+grow > f.fs.capacity {
		return fmt.Errorf("write %s: %w", f.name, disk.ErrFull)
	}
	f.fs.used += grow
	if grow <= 0 {
		f.n.data = f.n.data[:size]
		return nil
	}
	if need := int(size); need > cap(f.n.data) {
		bigger := make([]byte, len(f.n.data), max(need, 2*cap(f.n.data)))
		copy(bigger, f.n.data)
		f.n.data = bigger
	}
	old := len(f.n.data)
	f.n.data = f.n.data[:size]
	clear(f.n.data[old:])
	return nil
}

func (f *file) Truncate(size int64) error {
	if err := f.fs.op("truncate", f.name); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.n.dirty = true
	return f.resize(size)
}

func (f *file) Sync() error {
	if err := f.fs.op("sync", f.name); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.n.dirty {
		f.n.synced, f.n.dirty = slices.Clone(f.n.data), false
	}
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.n.info(f.name), nil
}

func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}
