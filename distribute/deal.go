package distribute

import (
	"fmt"
	"slices"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// A blob that is here is dealt out among the other sites that want it, so that each is given another part of it first: they give the
// parts to each other. Where several nodes of a site have it, each is asked by some sites only. They tell each other by which, and so deal
// alike: what one gave to a site another would else give to another site, up the same uplink.

var errDealsElsewhere = fmt.Errorf("%w: it deals a blob out, and is of another site", errProtocol)

// among is the sites among which a blob is dealt out, by their marks, which ascend.
type among struct {
	marks []uint64
	told  bool
}

// dealOut deals a blob out. The caller holds mu.
func (s *Swarm) dealOut(d Digest) {
	mine := s.askers(d)
	all := slices.Clone(mine)
	for id, n := range s.peers {
		if !n.local {
			continue
		}
		n.dealsAmong(d, mine)
		if h := s.heard[id]; h != nil {
			all = append(all, h.deals[d]...)
		}
	}
	if len(mine) == 0 {
		return
	}
	all = ascending(all)
	for _, n := range s.peers {
		if !n.local && n.wanting(d) {
			n.deal(d, planner.Deal(all, planner.Mark(d, n.site)))
		}
	}
}

// askers returns the marks of the other sites that want a blob of this node, ascending, if it is here. The caller holds mu.
func (s *Swarm) askers(d Digest) (marks []uint64) {
	for _, n := range s.peers {
		if !n.local && n.wanting(d) {
			marks = append(marks, planner.Mark(d, n.site))
		}
	}
	if len(marks) == 0 {
		return nil
	}
	if o, ok := s.cfg.Store.Object(d); !ok || !o.Complete() {
		return nil
	}
	marks = ascending(marks)
	return marks[:min(len(marks), planner.MaxShares)]
}

// ascending sorts marks, and leaves each in once.
func ascending(marks []uint64) []uint64 {
	slices.Sort(marks)
	return slices.Compact(marks)
}

// dealFor deals out anew what depends on what a peer said, if it said anything. The caller holds mu.
func (s *Swarm) dealFor(h *heard) {
	if h == nil {
		return
	}
	for _, d := range append(sortedDigests(h.wants), sortedDigests(h.deals)...) {
		s.dealOut(d)
	}
}

// dealTo deals out anew what depends on a peer that is new. The caller holds mu.
func (s *Swarm) dealTo(n *neighbour) {
	s.dealFor(s.heard[n.id])
	if !n.local {
		return
	}
	for id, other := range s.peers { // it is to be told by whom this node is asked
		if h := s.heard[id]; h != nil && !other.local {
			for d := range h.wants {
				n.dealsAmong(d, s.askers(d))
			}
		}
	}
}

// hearDeals notes among which sites a mate deals a blob out.
func (s *Swarm) hearDeals(from ident.NodeID, h *heard, m message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[from] != h {
		return errStale
	}
	if n := s.peers[from]; n != nil && !n.local {
		return errDealsElsewhere
	}
	if delete(h.deals, m.digest); len(m.marks) > 0 {
		h.deals[m.digest] = m.marks
	}
	if len(h.deals) > maxWants {
		return errTooMany
	}
	s.dealOut(m.digest)
	return nil
}
