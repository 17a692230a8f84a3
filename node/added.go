package node

import (
	"fmt"
	"time"

	"selvage/distribute/store"
	"selvage/internal/disk"
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

// errGivenUp: there is no room for a blob that came.
var errGivenUp = fmt.Errorf("the blob was given up as soon as it was here, to make room: %w", disk.ErrFull)

// keepAdded is noteAdded for a blob that has just come. Room may be made at that moment, by who has looked at what is kept already: so it
// waits for that, and fails if the blob has gone.
func (n *Node) keepAdded(d store.Digest) error {
	n.tidying.Lock()
	defer n.tidying.Unlock()
	if !n.complete(d) {
		return errGivenUp
	}
	n.noteAdded(d)
	return nil
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
