package node

import (
	"time"

	"selvage/distribute/store"
)

// addedFor is how long a blob is kept that was added here, or a patch that was made: in that time patches to it are made, and whoever signs
// for it does so.
const addedFor = time.Hour

// noteAdded keeps a blob that is to be released.
func (n *Node) noteAdded(d store.Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.added[d] = time.Now()
}

// lately returns the blobs that were added lately, and forgets the others.
func (n *Node) lately() (all []store.Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for d, at := range n.added {
		if time.Since(at) > addedFor {
			delete(n.added, d)
			continue
		}
		all = append(all, d)
	}
	return all
}
