package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"selvage/internal/disk"
	"selvage/node/runtime"
)

const (
	maxPath = 1024 // bytes
	maxName = 255  // bytes of one element: what file systems take
)

type kind int

const (
	kindDir kind = iota + 1
	kindFile
	kindLink
)

// tree is a bundle being written.
//
// Invariant: what kinds calls a directory is one, made by this tree; so a path whose parents
// are all directories there stays below dir.
type tree struct {
	ctx    context.Context // unpack's; a tree does not outlive the call
	fs     disk.FS
	dir    string
	limits limits
	left   int64 // bytes that may still be written
	limit  int64
	kinds  map[string]kind
	links  []symlink
}

type symlink struct{ name, target string }

// clean returns a name in its plain form, if it names something in the bundle.
func clean(name string) (string, error) {
	if len(name) > maxPath {
		return "", invalid("the name %.40q... is longer than %d bytes", name, maxPath)
	}
	if strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/") {
		return "", invalid("the name %.80q is absolute, or holds a backslash or a zero byte", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." || len(part) > maxName {
			return "", invalid("the name %.80q holds \"..\", or a part longer than %d bytes", name, maxName)
		}
	}
	return path.Clean(name), nil
}

// claim enters a new name and makes its parents.
func (t *tree) claim(name string, k kind) (string, error) {
	if err := t.ctx.Err(); err != nil {
		return "", err
	}
	p, err := clean(name)
	if err != nil {
		return "", err
	}
	if t.kinds[p] != 0 {
		return "", invalid("the name %.80q is there twice", name)
	}
	if err := t.mkdir(path.Dir(p)); err != nil {
		return "", err
	}
	t.kinds[p] = k
	return p, nil
}

// mkdir makes a clean path a directory, if it is not one.
func (t *tree) mkdir(p string) error {
	switch t.kinds[p] {
	case kindDir:
		return nil
	case kindFile, kindLink:
		return invalid("%.80q is a directory and something else as well", p)
	}
	if err := t.mkdir(path.Dir(p)); err != nil {
		return err
	}
	// Parents count, or a few entries of a thousand parts each would make many directories.
	if len(t.kinds) > 2*t.limits.entries {
		return invalid("archive has more than %d files and directories", 2*t.limits.entries)
	}
	t.kinds[p] = kindDir
	return t.fs.MkdirAll(path.Join(t.dir, p), 0o755)
}

func (t *tree) directory(name string) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	p, err := clean(name)
	if err != nil {
		return err
	}
	return t.mkdir(p)
}

func (t *tree) file(name string, mode fs.FileMode, r io.Reader) error {
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	return t.write(name, perm, func(f disk.File) error { return t.fill(f, r) })
}

// single writes an artifact that is one file.
func (t *tree) single(a runtime.Artifact) error {
	name := a.File
	if name == "" {
		name = "file"
	}
	if strings.Contains(name, "/") {
		return invalid("bad file name %.80q", name)
	}
	return t.write(name, 0o644, func(f disk.File) error { return a.CopyTo(t.ctx, f) })
}

// write makes a file, filled and durable.
func (t *tree) write(name string, perm fs.FileMode, fill func(disk.File) error) error {
	p, err := t.claim(name, kindFile)
	if err != nil {
		return err
	}
	f, err := t.fs.OpenFile(path.Join(t.dir, p), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return fmt.Errorf("make %.80q: %w", name, err)
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %.80q: %w", name, err)
	}
	return nil
}

// fill copies r to f, and tells whose fault it is when that fails.
func (t *tree) fill(f disk.File, r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if t.left -= int64(n); t.left < 0 {
			return invalid("%w: more than %d bytes", errTooMuch, t.limit)
		}
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return invalid("read archive: %w", err)
		}
		if err := t.ctx.Err(); err != nil {
			return err
		}
	}
}

// link notes a symbolic link, to be made by finish.
func (t *tree) link(name, target string) error {
	p, err := t.claim(name, kindLink)
	if err != nil {
		return err
	}
	if !inside(p, target) {
		return invalid("the link %.80q leads out of the bundle, to %.80q", name, target)
	}
	t.links = append(t.links, symlink{p, target})
	return nil
}

// inside reports whether a link at the clean path p can only lead to what is in the bundle.
// The link's directory is a real one, so each leading ".." takes one level off its depth; every
// name after them either is real or is a link for which the same holds.
func inside(p, target string) bool {
	if target == "" || len(target) > maxPath || strings.HasPrefix(target, "/") || strings.ContainsAny(target, "\\\x00") {
		return false
	}
	depth := strings.Count(p, "/")
	rising := true
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "..":
			if depth--; !rising || depth < 0 {
				return false
			}
		case ".", "":
		default:
			rising = false
		}
	}
	return true
}

// finish makes the links, and makes every directory's names durable.
func (t *tree) finish() error {
	for _, l := range t.links {
		if err := t.fs.Symlink(l.target, path.Join(t.dir, l.name)); err != nil {
			return fmt.Errorf("make link %.80q: %w", l.name, err)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(t.kinds)) {
		if t.kinds[p] != kindDir {
			continue
		}
		if err := t.fs.SyncDir(path.Join(t.dir, p)); err != nil {
			return fmt.Errorf("sync directory: %w", err)
		}
	}
	return nil
}
