package distribute

import (
	"slices"

	"selvage/distribute/planner"
)

// dealOut shares a blob that is here out among the other sites that want it, so that each is given another part of it
// first: they give the parts to each other. The caller holds mu.
func (s *Swarm) dealOut(d Digest) {
	var sites []string
	var to []*neighbour
	for _, n := range s.peers {
		if !n.local && n.wanting(d) {
			sites, to = append(sites, n.site), append(to, n)
		}
	}
	if len(to) == 0 {
		return
	}
	if o, ok := s.cfg.Store.Object(d); !ok || !o.Complete() {
		return
	}
	slices.Sort(sites)
	sites = slices.Compact(sites)
	for _, n := range to {
		n.deal(d, planner.Deal(sites, n.site))
	}
}
