package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"

	"selvage/internal/disk/memdisk"
)

func leaf(i int, size uint64) *child {
	hash := sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(i)))
	return &child{cid: cidOf(cid.Raw, hash), hash: hash, size: size, tree: min(size, 1<<40)}
}

func leaves(n int, size uint64) (all []*child) {
	for i := range n {
		all = append(all, leaf(i, size))
	}
	return all
}

func parent(t *testing.T, children ...*child) *child {
	t.Helper()
	c, err := newNode(children)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// level has a parent for each n of the children.
func level(t *testing.T, n int, children []*child) (all []*child) {
	t.Helper()
	for len(children) > 0 {
		k := min(n, len(children))
		all = append(all, parent(t, children[:k]...))
		children = children[k:]
	}
	return all
}

// Chunk lists that somebody made to do harm, and had signed: each is found out within few bytes, and nothing of the blob stays.
func TestHostileLists(t *testing.T) {
	deep := leaf(0, 1)
	for range maxDepth + 1 {
		deep = parent(t, deep)
	}
	million := parent(t, slices.Repeat(level(t, 1000, leaves(1000, 1)), 1000)...)
	wide := parent(t, level(t, maxNodeLinks, leaves(4*maxNodeLinks, 1<<30))...)
	for name, c := range map[string]struct {
		root *child
		size uint64 // that the release names; 0 for the root's
		most int    // bytes that are read
	}{
		"too deep":            {deep, 0, 4 << 10},
		"a million chunks":    {million, 0, 128 << 10},
		"chunks too large":    {wide, 0, 512 << 10},
		"too many links":      {parent(t, leaves(maxNodeLinks+1, 8<<10)...), 0, 256 << 10},
		"an empty chunk":      {parent(t, leaf(0, 100), leaf(1, 0)), 0, 4 << 10},
		"a sum beyond 64 bit": {parent(t, leaf(0, 1<<63), leaf(1, 1<<63)), 1 << 20, 4 << 10},
		"another size":        {parent(t, leaves(30, 8<<10)...), 1 << 20, 8 << 10},
	} {
		var nodes [][]byte
		c.root.walk(func(c *child) { nodes = append(nodes, c.node) })
		w := Want{Digest: Digest{1}, Size: int64(c.root.size), Root: c.root.cid}
		if c.size > 0 {
			w.Size = int64(c.size)
		}
		fs := memdisk.New(1 << 50)
		s := open(t, fs)
		o, err := s.Begin(w)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in := bytes.NewReader(append(EncodeNodes(nodes), make([]byte, 1<<20)...))
		before := in.Len()
		if _, err := o.ReadNodes(in); !errors.Is(err, ErrContradiction) {
			t.Errorf("%s: %v", name, err)
		}
		if read := before - in.Len(); read > c.most {
			t.Errorf("%s: %d bytes were read", name, read)
		}
		if _, ok := s.Object(w.Digest); ok {
			t.Errorf("%s: it is still wanted", name)
		}
		if list, err := fs.ReadDir("store/partial"); err != nil || len(list) > 0 {
			t.Errorf("%s: %d files are left, %v", name, len(list), err)
		}
	}
}

// A node cannot be below itself, for its name is its hash; one that is sent there is not what was linked. Nobody but the sender
// is to blame for it.
func TestListThatCircles(t *testing.T) {
	root := parent(t, level(t, 10, leaves(100, 8<<10))...)
	o, err := open(t, memdisk.New(0)).Begin(Want{Digest: Digest{1}, Size: int64(root.size), Root: root.cid})
	if err != nil {
		t.Fatal(err)
	}
	circle := bytes.Repeat(EncodeNodes([][]byte{root.node}), 1000)
	in := bytes.NewReader(circle)
	if _, err := o.ReadNodes(in); !errors.Is(err, ErrDAG) || errors.Is(err, ErrContradiction) || errors.Is(err, ErrOtherRoot) {
		t.Errorf("got %v", err)
	}
	if read := len(circle) - in.Len(); read > 8<<10 {
		t.Errorf("%d bytes were read", read)
	}
}
