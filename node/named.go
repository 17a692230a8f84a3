package node

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"

	"selvage/distribute/store"
	"selvage/ledger"
	"selvage/ledger/manifest"
)

// namedBlobs are the blobs that this node's report names, by digest.
func (n *Node) namedBlobs() (all [][]byte) {
	var whole []store.Digest
	for _, o := range n.store.Objects() {
		if o.Complete() {
			whole = append(whole, o.Digest)
		}
	}
	if len(whole) > maxReportItems {
		whole = named(whole, n.wantedReleases())
	}
	for _, d := range whole {
		all = append(all, d[:blobPrefixBytes])
	}
	return all
}

// wantedReleases are those that deployments ask for.
func (n *Node) wantedReleases() []ledger.Release {
	asked := map[string]bool{}
	for _, d := range n.ledger.Deployments() {
		if spec, err := manifest.DecodeSpec(d.Spec); err == nil {
			asked[spec.Release] = true
		}
	}
	var all []ledger.Release
	for _, r := range n.ledger.Releases() {
		if asked[r.Ref()] {
			all = append(all, r.Release)
		}
	}
	return all
}

// named chooses, of blobs by digest that are more than a report names, those of releases that are asked for, the newest first, and
// of the others the first by digest: which these are changes the least, and each change is told to the whole fleet.
func named(whole []store.Digest, asked []ledger.Release) []store.Digest {
	slices.SortFunc(asked, func(a, b ledger.Release) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.Ref(), b.Ref()))
	})
	place := map[store.Digest]int{} // from 1 on
	for _, r := range asked {
		for _, digest := range blobsOf(r) {
			if d, err := store.ParseDigest(digest); err == nil && place[d] == 0 {
				place[d] = len(place) + 1
			}
		}
	}
	of := func(d store.Digest) int { return cmp.Or(place[d], math.MaxInt) }
	slices.SortStableFunc(whole, func(a, b store.Digest) int { return cmp.Compare(of(a), of(b)) })
	whole = whole[:min(len(whole), maxReportItems)]
	slices.SortFunc(whole, func(a, b store.Digest) int { return bytes.Compare(a[:], b[:]) })
	return whole
}
