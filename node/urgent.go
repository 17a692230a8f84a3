package node

import (
	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/ledger/manifest"
)

// noteUrgent notes the blobs of releases that operators have declared to be urgent, and of patches to them: that a peer says it of
// another counts for nothing.
func (n *Node) noteUrgent(releases map[string]ledger.SignedRelease) {
	urgent := map[store.Digest]bool{}
	note := func(digest string) {
		if d, err := store.ParseDigest(digest); err == nil {
			urgent[d] = true
		}
	}
	for _, d := range n.ledger.Deployments() {
		spec, err := manifest.DecodeSpec(d.Spec)
		if err != nil || !spec.Urgent() {
			continue
		}
		for _, digest := range blobsOf(releases[spec.Release].Release) {
			note(digest)
		}
	}
	n.pressing.Store(&urgent)
}

// mayBeUrgent reports whether a blob was declared to be urgent, as far as this node knows.
func (n *Node) mayBeUrgent(d store.Digest) bool {
	urgent := n.pressing.Load()
	return urgent != nil && (*urgent)[d]
}
