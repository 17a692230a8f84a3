package mesh

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"selvage/internal/ident"
)

// Whom a host stays connected to.
const (
	maxSiteMates = 64 // of its own site: all, up to this many
	neighbours   = 4  // of other sites
	maxStrangers = 8  // of whom nothing but an address is known
)

// candidate is a node as choose sees it.
type candidate struct {
	id        ident.NodeID
	site      string // "" if unknown
	connected bool
	ready     bool // may be dialled now: it has an address, and no back-off runs
}

// choose returns whom to dial now. It is a pure function: all nodes of the own site; of other
// sites as many as are missing of a few neighbours, spread over sites, which it picks by a hash
// of both ends, so that the choice is stable and different on every node; and strangers.
func choose(self ident.NodeID, site string, all []candidate, held bool) []ident.NodeID {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(affinity(self, a.id), affinity(self, b.id)), a.id.Compare(b.id))
	})
	var dial []ident.NodeID
	mates, strangers, near := 0, 0, 0
	perSite := map[string]int{}
	for _, c := range all {
		if c.connected && c.site != site && c.site != "" {
			near++
			perSite[c.site]++
		}
	}
	// First a neighbour in each site that has none, then any.
	for _, second := range []bool{false, true} {
		for _, c := range all {
			far := c.site != site && c.site != ""
			if !far || c.connected || !c.ready || held || near >= neighbours || second == (perSite[c.site] == 0) {
				continue
			}
			dial = append(dial, c.id)
			near++
			perSite[c.site]++
		}
	}
	for _, c := range all {
		switch {
		case c.connected || !c.ready:
		case c.site == site && mates < maxSiteMates:
			dial = append(dial, c.id)
			mates++
		case c.site == "" && strangers < maxStrangers:
			dial = append(dial, c.id)
			strangers++
		}
	}
	return dial
}

// affinity orders nodes differently for every node.
func affinity(a, b ident.NodeID) uint64 {
	sum := sha256.Sum256(append(a[:], b[:]...))
	return binary.BigEndian.Uint64(sum[:])
}

// backoff is how long to wait after the n-th dial on end that failed: 1 s doubling to 30 s, and
// up to half as much again, which share (0 to 1) decides.
func backoff(n int, share float64) time.Duration {
	d := min(time.Second<<min(n-1, 5), 30*time.Second)
	return d + time.Duration(share*float64(d)/2)
}
