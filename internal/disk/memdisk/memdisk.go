package memdisk

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"selvage/internal/disk"
)

// FS is a tree of files in memory. Make one with New. It is safe for concurrent use.
type FS struct {
	// OnOp, if set, is called before each operation that changes something, with its name
	// ("write", "sync", "rename", ...) and the file's; the operation fails with what it returns.
	// Set it while nothing uses the tree. It is called from any goroutine.
	OnOp func(op, name string) error

	capacity int64        // bytes; 0 is no limit
	used     atomic.Int64 // bytes of all pages that a name leads to

	mu      sync.Mutex       // taken before a node's
	nodes   map[string]*node // by clean path; "." is the root
	durable map[string]*node // the names as a power cut leaves them for certain
	waiting []change         // what happened to names since, in order
}

// change is one step from one tree of names to the next: what each of its names leads to then,
// nil if to nothing.
type change map[string]*node

var _ disk.FS = (*FS)(nil)

// New returns an empty tree that holds at most capacity bytes of data; 0 is no limit. Holes in
// files cost nothing.
func New(capacity int64) *FS {
	root := &node{mode: fs.ModeDir | 0o700}
	return &FS{nodes: map[string]*node{".": root}, durable: map[string]*node{".": root}, capacity: capacity}
}

// op asks OnOp.
func (f *FS) op(op, name string) error {
	if f.OnOp == nil {
		return nil
	}
	return f.OnOp(op, name)
}

// begin checks and cleans the name of an operation that changes something, and asks OnOp.
func (f *FS) begin(op, name string) (string, error) {
	p, err := clean(op, name)
	if err != nil {
		return "", err
	}
	return p, f.op(op, p)
}

func clean(op, name string) (string, error) {
	p := path.Clean(name)
	if !fs.ValidPath(p) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return p, nil
}

const maxLinks = 16 // followed for one name

// resolve follows links in a clean name; one at its very end only if last is set. A link that
// leads out of the tree leads nowhere. The caller holds mu.
func (f *FS) resolve(op, name string, last bool) (string, error) {
	at, rest := ".", name
	for links := 0; rest != ""; {
		first, more, _ := strings.Cut(rest, "/")
		next := path.Join(at, first)
		n := f.nodes[next]
		if n == nil || n.mode&fs.ModeSymlink == 0 || more == "" && !last {
			at, rest = next, more
			continue
		}
		target := path.Join(at, n.target)
		if links++; links > maxLinks || path.IsAbs(n.target) || !fs.ValidPath(target) {
			return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
		}
		at, rest = ".", path.Join(target, more)
	}
	return at, nil
}

// lookup returns where a clean name leads, and the node there; fs.ErrNotExist if there is none.
// The caller holds mu.
func (f *FS) lookup(op, name string, last bool) (string, *node, error) {
	p, err := f.resolve(op, name, last)
	if err != nil {
		return "", nil, err
	}
	n := f.nodes[p]
	if n == nil {
		return p, nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return p, n, nil
}

// vacant returns where a clean name can be made: nothing is there, and its directory is. The
// caller holds mu.
func (f *FS) vacant(op, name string) (string, error) {
	p, err := f.resolve(op, name, false)
	if err != nil {
		return "", err
	}
	if f.nodes[p] != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	if dir := f.nodes[path.Dir(p)]; dir == nil || !dir.mode.IsDir() {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return p, nil
}

// apply changes names, and remembers that it did. The caller holds mu.
func (f *FS) apply(c change) {
	gone := map[*node]bool{}
	for p := range c {
		if was := f.nodes[p]; was != nil {
			gone[was] = true
		}
	}
	for _, n := range c {
		delete(gone, n)
	}
	for n := range gone {
		f.used.Add(-n.unlink())
	}
	c.into(f.nodes)
	f.waiting = append(f.waiting, c)
}

// into makes the change in a tree of names.
func (c change) into(names map[string]*node) {
	for p, n := range c {
		if n == nil {
			delete(names, p)
		} else {
			names[p] = n
		}
	}
}

// OpenFile implements disk.FS.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (disk.File, error) {
	p, err := clean("open", name)
	if err == nil && flag&(os.O_CREATE|os.O_TRUNC) != 0 {
		err = f.op("open", p)
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, n, err := f.lookup("open", p, flag&os.O_EXCL == 0)
	if err != nil && (flag&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	switch {
	case n == nil:
		if p, err = f.vacant("open", p); err != nil {
			return nil, err
		}
		n = &node{mode: perm & fs.ModePerm, mtime: time.Now()}
		f.apply(change{p: n})
	case flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n.mode.IsDir():
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	case flag&os.O_TRUNC != 0:
		f.used.Add(n.truncate(0))
	}
	return &file{fs: f, n: n, name: p, appends: flag&os.O_APPEND != 0, writes: flag&(os.O_WRONLY|os.O_RDWR) != 0}, nil
}

// MkdirAll implements disk.FS.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	name, err := f.begin("mkdir", name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at := "."
	for _, part := range strings.Split(name, "/") {
		p, n, err := f.lookup("mkdir", path.Join(at, part), true)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case n == nil:
			f.apply(change{p: &node{mode: fs.ModeDir | perm&fs.ModePerm, mtime: time.Now()}})
		case !n.mode.IsDir():
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
		at = p
	}
	return nil
}

// Rename implements disk.FS.
func (f *FS) Rename(oldName, newName string) error {
	oldName, err := clean("rename", oldName)
	if err != nil {
		return err
	}
	if newName, err = f.begin("rename", newName); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	from, n, err := f.lookup("rename", oldName, false)
	if err != nil {
		return err
	}
	to, old, err := f.lookup("rename", newName, false)
	if errors.Is(err, fs.ErrNotExist) {
		to, err = f.vacant("rename", to)
	}
	switch {
	case err != nil:
		return err
	case from == to:
		return nil
	case strings.HasPrefix(to, from+"/") || from == ".":
		return &fs.PathError{Op: "rename", Path: newName, Err: fs.ErrInvalid}
	case old != nil && (old.mode.IsDir() != n.mode.IsDir() || len(f.below(to)) > 1):
		return &fs.PathError{Op: "rename", Path: newName, Err: fs.ErrExist}
	}
	c := change{}
	for _, p := range f.below(from) {
		c[p] = nil
		c[to+strings.TrimPrefix(p, from)] = f.nodes[p]
	}
	f.apply(c)
	return nil
}

// below returns name and all names below it, parents first. The caller holds mu.
func (f *FS) below(name string) []string {
	var out []string
	for p := range f.nodes {
		if p == name || strings.HasPrefix(p, name+"/") {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// Remove implements disk.FS.
func (f *FS) Remove(name string) error {
	name, err := f.begin("remove", name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, _, err := f.lookup("remove", name, false)
	if err != nil {
		return err
	}
	if p == "." || len(f.below(p)) > 1 {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrExist}
	}
	f.apply(change{p: nil})
	return nil
}

// RemoveAll implements disk.FS.
func (f *FS) RemoveAll(name string) error {
	name, err := f.begin("removeall", name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.resolve("removeall", name, false)
	if err != nil {
		return err
	}
	if p == "." {
		return &fs.PathError{Op: "removeall", Path: name, Err: fs.ErrInvalid}
	}
	for _, q := range slices.Backward(f.below(p)) {
		f.apply(change{q: nil})
	}
	return nil
}

// ReadDir implements disk.FS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, n, err := f.lookup("readdir", path.Clean(name), true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
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
	f.mu.Lock()
	defer f.mu.Unlock()
	_, n, err := f.lookup("stat", path.Clean(name), true)
	if err != nil {
		return nil, err
	}
	return n.info(name), nil
}

// Symlink implements disk.FS.
func (f *FS) Symlink(target, newName string) error {
	newName, err := f.begin("symlink", newName)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.vacant("symlink", newName)
	if err != nil {
		return err
	}
	f.apply(change{p: &node{mode: fs.ModeSymlink | 0o777, target: target, mtime: time.Now()}})
	return nil
}

// Readlink implements disk.FS.
func (f *FS) Readlink(name string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, n, err := f.lookup("readlink", path.Clean(name), false)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.target, nil
}

// Free implements disk.FS.
func (f *FS) Free() (free, total uint64, err error) {
	if f.capacity == 0 {
		return 1 << 40, 1 << 40, nil
	}
	return uint64(max(0, f.capacity-f.used.Load())), uint64(f.capacity), nil
}
