package node

import (
	"slices"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/ledger"
)

// providers returns the nodes to be asked for a blob, those first whose reports say that they have it.
func (n *Node) providers(d store.Digest) []ident.NodeID {
	said, may := n.likely(d)
	return append(said, may...)
}

// likely returns the nodes whose reports say that they have a blob: those of the site first, and of the others the one first that
// follows this node by ID, so that not all nodes call at the same one. And those that may have it, though nothing says so: they
// carry a release with it, and have more blobs than their reports name.
func (n *Node) likely(d store.Digest) (said, may []ident.NodeID) {
	may = n.carriers(d)
	var far []ident.NodeID
	for _, r := range n.ledger.Reports() {
		rep, ok := n.decodedReport(r)
		if !ok || r.Node == n.home.Node {
			continue
		}
		holds := rep.holds(d)
		if holds || !rep.crowded() {
			may = slices.DeleteFunc(may, func(id ident.NodeID) bool { return id == r.Node })
		}
		if !holds {
			continue
		}
		if m, ok := n.ledger.Node(r.Node); ok && m.Site == n.home.Site {
			said = append(said, r.Node)
		} else {
			far = append(far, r.Node)
		}
	}
	return append(said, following(n.home.Node, far)...), may // reports are by ID
}

// carriers returns the other nodes that carry a release with a blob, by ID.
func (n *Node) carriers(d store.Digest) (all []ident.NodeID) {
	digest := d.String()
	for _, r := range n.ledger.Releases() {
		if slices.Contains(blobsOf(r.Release), digest) {
			all = append(all, r.Carriers...)
		}
	}
	slices.SortFunc(all, ident.NodeID.Compare)
	return slices.DeleteFunc(slices.Compact(all), func(id ident.NodeID) bool {
		m, known := n.ledger.Node(id)
		return id == n.home.Node || !known || m.Quarantined != ""
	})
}

// blobsOf returns the blobs that a release lists, artifacts and patches.
func blobsOf(r ledger.Release) (digests []string) {
	for _, a := range r.Artifacts {
		digests = append(digests, a.Digest)
		for _, p := range a.Patches {
			digests = append(digests, p.Digest)
		}
	}
	return digests
}

// following is nodes by ID, from those on that follow one.
func following(id ident.NodeID, all []ident.NodeID) []ident.NodeID {
	at, _ := slices.BinarySearchFunc(all, id, ident.NodeID.Compare)
	return slices.Concat(all[at:], all[:at])
}
