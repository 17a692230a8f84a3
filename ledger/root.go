package ledger

import (
	"crypto/sha256"
	"slices"
	"strings"
)

// rootParts is how many parts a root is made of, by the first byte of a feed's key: its author's, which is as good as
// random. Of 2,000 feeds, 30 are hashed again when one has changed.
const rootParts = 64

// root is the digest of what some scopes hold. It remembers the digests of its parts, so that only those are
// made again that have changed.
type root struct {
	scopes []string
	parts  [rootParts][sha256.Size]byte
	stale  [rootParts]bool
	sum    [sha256.Size]byte
	fresh  bool // sum is of the parts, and none is stale
}

func newRoot(scopes []string) *root {
	r := &root{scopes: slices.Clone(scopes)}
	for i := range r.stale {
		r.stale[i] = true
	}
	return r
}

// partOf returns the part that a feed belongs to.
func partOf(key string) int { return int(key[0]) * rootParts / 256 }

// touch says that a feed has changed.
func (r *root) touch(key string) { r.stale[partOf(key)], r.fresh = true, false }

// digest returns the root of feeds, whose keys are in order.
func (r *root) digest(keys []string, feeds map[string]*feedState) [sha256.Size]byte {
	if r.fresh {
		return r.sum
	}
	var b []byte
	for i := range r.parts {
		if r.stale[i] {
			b = r.encode(b[:0], i, keys, feeds)
			r.parts[i], r.stale[i] = sha256.Sum256(b), false
		}
	}
	b = b[:0]
	for i := range r.parts {
		b = append(b, r.parts[i][:]...)
	}
	r.sum, r.fresh = sha256.Sum256(b), true
	return r.sum
}

// encode appends the marks of a part.
func (r *root) encode(b []byte, part int, keys []string, feeds map[string]*feedState) []byte {
	from, _ := slices.BinarySearchFunc(keys, part, func(key string, part int) int { return partOf(key) - part })
	for _, key := range keys[from:] {
		if partOf(key) != part {
			break
		}
		if f := feeds[key]; f.live(r.scopes) {
			b = f.mark().appendTo(append(append(b, key...), 0))
		}
	}
	return b
}

// Root returns a digest of all feeds of the given scopes: equal on nodes that hold the same
// entries of them. After a change it costs a hash over a part of the feeds.
func (l *Ledger) Root(scopes []string) [sha256.Size]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := strings.Join(scopes, "\x00")
	r := l.shown.roots[of]
	if r == nil {
		r = newRoot(scopes)
		l.shown.roots[of] = r
	}
	return r.digest(l.shown.keys, l.shown.feeds)
}
