package memdisk

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// SyncDir implements disk.FS.
func (f *FS) SyncDir(name string) error {
	name, err := f.begin("syncdir", name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, n, err := f.lookup("syncdir", name, true)
	if err != nil {
		return err
	}
	if !n.mode.IsDir() {
		return &fs.PathError{Op: "syncdir", Path: name, Err: fs.ErrInvalid}
	}
	// From the last to the first, so that what a change stands on is known before it is met.
	wanted := map[string]bool{}
	for p := dir; p != "."; p = path.Dir(p) {
		wanted[p] = true
	}
	keep := make([]bool, len(f.waiting))
	for i, c := range slices.Backward(f.waiting) {
		keep[i] = touches(c, func(p string) bool { return path.Dir(p) == dir || wanted[p] })
		if keep[i] {
			for p := range c {
				wanted[p] = true
			}
		}
	}
	var still []change
	for i, c := range f.waiting {
		if keep[i] {
			c.into(f.durable)
		} else {
			still = append(still, c)
		}
	}
	f.waiting = still
	return nil
}

func touches(c change, match func(string) bool) bool {
	for p := range c {
		if match(p) {
			return true
		}
	}
	return false
}

// Crash returns the tree as a power cut may leave it; see the package comment. The tree that it is
// called on must not be used any more.
func (f *FS) Crash(r *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	names, lost := maps.Clone(f.durable), map[string]bool{}
	for _, c := range f.waiting {
		if r.IntN(2) == 0 && !touches(c, func(p string) bool { return lost[p] }) {
			c.into(names)
			continue
		}
		for p := range c {
			lost[p] = true
		}
	}
	out := New(f.capacity)
	for _, p := range slices.Sorted(maps.Keys(names)) {
		if dir := names[path.Dir(p)]; dir == nil || !dir.mode.IsDir() {
			delete(names, p) // its directory did not come through
			continue
		}
		n := names[p].survive(r)
		out.nodes[p], out.durable[p] = n, n
		out.used.Add(n.bytes)
	}
	return out
}
