package memdisk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"time"

	"selvage/internal/disk"
)

// page is how many bytes of a file are kept together, and come through a power cut or are lost together. Most of what a
// node writes is a small record, or a chunk among many: the first write to a page that was synced copies all of it.
const page = 4 << 10

// node is a file, a directory or a link.
type node struct {
	mode   fs.FileMode
	target string // of a link

	mu    sync.RWMutex
	mtime time.Time
	now   content
	// Invariant: a page that is not dirty is the same slice in now and synced, and is not written to.
	synced  content
	dirty   map[int]bool
	bytes   int64 // len of all pages of now
	removed bool  // no name leads here; its bytes are not counted any more
}

// content is a file's bytes. A page may be shorter than the file goes there, or nil: the rest is zeros.
type content struct {
	size  int64
	pages [][]byte
}

func (n *node) info(p string) fs.FileInfo {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return info{name: path.Base(p), size: n.now.size, mode: n.mode, mtime: n.mtime}
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

// unlink says that no name leads to the node any more, and returns how many bytes that frees.
func (n *node) unlink() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.removed = true
	return n.bytes
}

// put writes into a page from an offset in it on. The caller holds mu.
func (n *node) put(i, from int, b []byte) {
	n.now.reach(i)
	old := n.now.pages[i]
	p := old[:min(from, len(old))]
	if !n.dirty[i] {
		p = slices.Clip(p) // so that it is copied, and what was synced stays
	}
	p = append(p, make([]byte, from-len(p))...)
	p = append(p, b...)
	if len(p) < len(old) {
		p = append(p, old[len(p):]...)
	}
	n.set(i, p)
}

// set gives a page other bytes, which nothing that was synced shares. The caller holds mu.
func (n *node) set(i int, p []byte) {
	n.bytes += int64(len(p) - len(n.now.pages[i]))
	n.now.pages[i] = p
	if n.dirty == nil {
		n.dirty = map[int]bool{}
	}
	n.dirty[i] = true
}

// reach makes room for a page.
func (c *content) reach(i int) {
	if more := i + 1 - len(c.pages); more > 0 {
		c.pages = append(c.pages, make([][]byte, more)...)
	}
}

// cost returns how many bytes a write would add.
func (n *node) cost(off, end int64) int64 {
	var sum int64
	for at := off; at < end; {
		i := int(at / page)
		stop := min(end, int64(i+1)*page)
		have := 0
		if i < len(n.now.pages) {
			have = len(n.now.pages[i])
		}
		sum += max(0, stop-int64(i)*page-int64(have))
		at = stop
	}
	return sum
}

// truncate sets the size and returns how many bytes that adds, at most 0, to those in use.
func (n *node) truncate(size int64) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.bytes
	n.mtime = time.Now()
	n.now.size = size
	for i := int(size / page); i < len(n.now.pages); i++ {
		keep := int(max(0, size-int64(i)*page))
		if keep >= len(n.now.pages[i]) {
			continue
		}
		n.set(i, bytes.Clone(n.now.pages[i][:keep]))
	}
	if n.removed {
		return 0
	}
	return n.bytes - before
}

// sync makes the bytes durable.
func (n *node) sync() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.dirty {
		n.synced.reach(i)
		n.synced.pages[i] = n.now.pages[i]
	}
	n.synced.size = n.now.size
	clear(n.dirty)
}

// survive returns what a power cut leaves of a node.
func (n *node) survive(r *rand.Rand) *node {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := &node{mode: n.mode, target: n.target, mtime: n.mtime}
	out.now = content{n.synced.size, slices.Clone(n.synced.pages)}
	if n.now.size != n.synced.size && r.IntN(2) == 0 {
		out.now.size = n.now.size
	}
	for _, i := range slices.Sorted(maps.Keys(n.dirty)) {
		if r.IntN(2) == 0 {
			out.now.reach(i)
			out.now.pages[i] = n.now.pages[i]
		}
	}
	for i, p := range out.now.pages {
		keep := min(int64(len(p)), max(0, out.now.size-int64(i)*page))
		out.now.pages[i] = p[:keep]
		out.bytes += keep
	}
	out.synced = content{out.now.size, slices.Clone(out.now.pages)}
	return out
}

// file is an open file.
type file struct {
	fs      *FS
	n       *node
	name    string
	appends bool
	writes  bool

	mu     sync.Mutex // taken before the node's
	at     int64
	closed bool
}

func (f *file) check(op string, writes bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	case writes && !f.writes:
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrPermission}
	}
	return nil
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	f.n.mu.RLock()
	defer f.n.mu.RUnlock()
	want := int(min(int64(len(b)), max(0, f.n.now.size-off)))
	for done := 0; done < want; {
		i, from := int((off+int64(done))/page), int((off+int64(done))%page)
		part := b[done : done+min(want-done, page-from)]
		got := 0
		if i < len(f.n.now.pages) && from < len(f.n.now.pages[i]) {
			got = copy(part, f.n.now.pages[i][from:])
		}
		clear(part[got:])
		done += len(part)
	}
	if want < len(b) {
		return want, io.EOF
	}
	return want, nil
}

func (f *file) Read(b []byte) (int, error) {
	f.mu.Lock()
	at := f.at
	f.mu.Unlock()
	n, err := f.ReadAt(b, at)
	f.mu.Lock()
	f.at += int64(n)
	f.mu.Unlock()
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	at := f.at
	f.mu.Unlock()
	if f.appends {
		f.n.mu.RLock()
		at = f.n.now.size
		f.n.mu.RUnlock()
	}
	n, err := f.WriteAt(b, at)
	f.mu.Lock()
	f.at = at + int64(n)
	f.mu.Unlock()
	return n, err
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	if err := f.fs.op("write", f.name); err != nil {
		return 0, err
	}
	if err := f.put(b, off); err != nil {
		return 0, err
	}
	return len(b), nil
}

// put writes all of b, or nothing.
func (f *file) put(b []byte, off int64) error {
	if err := f.check("write", true); err != nil {
		return err
	}
	if off < 0 {
		return &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrInvalid}
	}
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	if cost := f.n.cost(off, off+int64(len(b))); !f.n.removed && !f.fs.reserve(cost) {
		return fmt.Errorf("write %s: %w", f.name, disk.ErrFull)
	}
	for done := 0; done < len(b); {
		i, from := int((off+int64(done))/page), int((off+int64(done))%page)
		n := min(len(b)-done, page-from)
		f.n.put(i, from, b[done:done+n])
		done += n
	}
	f.n.now.size, f.n.mtime = max(f.n.now.size, off+int64(len(b))), time.Now()
	return nil
}

// Clone implements disk.Cloner. It takes as much room as a copy, and a power cut tears it like a write: that is the worst that
// a disk may do.
func (f *file) Clone(src disk.File, to, from, n int64) error {
	if err := f.fs.op("clone", f.name); err != nil {
		return err
	}
	s, ok := src.(*file)
	if !ok || s.fs != f.fs {
		return &fs.PathError{Op: "clone", Path: f.name, Err: errors.ErrUnsupported}
	}
	if to%disk.Block != 0 || from%disk.Block != 0 || n%disk.Block != 0 {
		return &fs.PathError{Op: "clone", Path: f.name, Err: fs.ErrInvalid}
	}
	data := make([]byte, n)
	if _, err := s.ReadAt(data, from); err != nil {
		return &fs.PathError{Op: "clone", Path: f.name, Err: err}
	}
	return f.put(data, to)
}

// reserve takes bytes of the capacity, and reports whether they were there to take.
func (f *FS) reserve(bytes int64) bool {
	if f.used.Add(bytes) <= f.capacity || f.capacity == 0 || bytes == 0 {
		return true
	}
	f.used.Add(-bytes)
	return false
}

func (f *file) Truncate(size int64) error {
	if err := f.fs.op("truncate", f.name); err != nil {
		return err
	}
	if err := f.check("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	f.fs.used.Add(f.n.truncate(size))
	return nil
}

func (f *file) Sync() error {
	if err := f.fs.op("sync", f.name); err != nil {
		return err
	}
	if err := f.check("sync", false); err != nil {
		return err
	}
	f.n.sync()
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	if err := f.check("stat", false); err != nil {
		return nil, err
	}
	return f.n.info(f.name), nil
}

func (f *file) Close() error {
	if err := f.check("close", false); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}
