package distribute

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// A blob that is here is dealt out among the other sites that want it, so that each is given another part of it first: they give the
// parts to each other. Where several nodes of a site have it, each is asked by some sites only. They tell each other by which, and so deal
// alike: what one gave to a site another would else give to another site, up the same uplink.

var errDealsElsewhere = fmt.Errorf("%w: it deals a blob out, and is of another site", errProtocol)

// asker is another site that wants a blob, by its mark.
type asker struct {
	mark  uint64
	since int64 // when it began to, in microseconds of the Unix epoch by the clock of whom it asked first
}

// among is the sites among which a blob is dealt out, by marks, which ascend.
type among struct {
	askers []asker
	told   bool
}

// markOf stands for a site where a blob is dealt out.
func markOf(d Digest, site string) uint64 {
	sum := sha256.Sum256(append(d[:], site...))
	return binary.BigEndian.Uint64(sum[:])
}

// dealOut deals a blob out. The caller holds mu.
func (s *Swarm) dealOut(d Digest) {
	mine := s.askers(d)
	since := map[uint64]int64{}
	add := func(all []asker) {
		for _, a := range all {
			if before, ok := since[a.mark]; !ok || a.since < before {
				since[a.mark] = a.since
			}
		}
	}
	add(mine)
	for id, n := range s.peers {
		if !n.local {
			continue
		}
		n.dealsAmong(d, mine)
		if h := s.heard[id]; h != nil {
			add(h.deals[d])
		}
	}
	if len(mine) == 0 {
		return
	}
	earliest := func(a, b uint64) int { return cmp.Or(cmp.Compare(since[a], since[b]), cmp.Compare(a, b)) }
	all := slices.SortedFunc(maps.Keys(since), earliest)
	for _, n := range s.peers {
		if !n.local && n.wanting(d) {
			mark := markOf(d, n.site)
			k, ok := slices.BinarySearchFunc(all, mark, earliest)
			if !ok { // more ask than are told apart
				k = int(mark % uint64(len(all)))
			}
			n.deal(d, planner.Deal(k, len(all)))
		}
	}
}

// askers returns the other sites that want a blob of this node, by marks, if it is here. The caller holds mu.
func (s *Swarm) askers(d Digest) (all []asker) {
	asking := map[uint64]bool{}
	for _, n := range s.peers {
		if !n.local && n.wanting(d) {
			asking[markOf(d, n.site)] = true
		}
	}
	if len(asking) == 0 {
		return nil
	}
	since := s.sinceWhen(d)
	if len(since) >= planner.MaxShares { // who comes now is worth more than who may come back
		maps.DeleteFunc(since, func(mark uint64, _ int64) bool { return !asking[mark] })
	}
	for mark := range asking {
		if _, ok := since[mark]; !ok && len(since) < planner.MaxShares {
			since[mark] = time.Now().UnixMicro()
		}
		if at, ok := since[mark]; ok {
			all = append(all, asker{mark, at})
		}
	}
	if o, ok := s.cfg.Store.Object(d); !ok || !o.Complete() {
		return nil
	}
	return byMarks(all)
}

// sinceWhen returns since when sites have wanted a blob. That stays when an uplink is cut: who comes back is given again what was its own.
// Of maxWants blobs that is kept, and of more those that somebody wants. The caller holds mu.
func (s *Swarm) sinceWhen(d Digest) map[uint64]int64 {
	if s.since[d] == nil {
		if len(s.since) >= maxWants {
			maps.DeleteFunc(s.since, func(old Digest, _ map[uint64]int64) bool { return !s.isAsked(old) })
		}
		s.since[d] = map[uint64]int64{}
	}
	return s.since[d]
}

// isAsked reports whether other sites want a blob of this node. The caller holds mu.
func (s *Swarm) isAsked(d Digest) bool {
	for _, n := range s.peers {
		if !n.local && n.wanting(d) {
			return true
		}
	}
	return false
}

// byMarks sorts askers, and leaves each in once.
func byMarks(all []asker) []asker {
	slices.SortFunc(all, func(a, b asker) int { return cmp.Or(cmp.Compare(a.mark, b.mark), cmp.Compare(a.since, b.since)) })
	return slices.CompactFunc(all, func(a, b asker) bool { return a.mark == b.mark })
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
	for d := range s.since { // it is to be told by whom this node is asked
		n.dealsAmong(d, s.askers(d))
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
	if delete(h.deals, m.digest); len(m.askers) > 0 && len(h.deals) < maxWants { // several sites may ask it for more, which is no fault of its
		h.deals[m.digest] = m.askers
	}
	s.dealOut(m.digest)
	return nil
}
