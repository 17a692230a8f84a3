package planner

import (
	"cmp"
	"slices"
	"time"

	"selvage/internal/mutant"
)

// crewSize is how many nodes of a site get a blob over its uplink, so that one may fail. Each has connections of its own to other
// sites, and where many share a thin uplink, each finds its rate by losing packets that had crossed every link before.
const crewSize = 2

// joinTime is how long one that comes to the crew later may take to say what it is getting.
const joinTime = tellAgain

// crew is who of a site gets the blob over the uplink: some mates, by rank, and this node or not.
type crew struct {
	mates []*peer
	self  bool
}

// crew returns the first in rank of those that may be waited for: that brought something not long ago, or have not been
// of the crew for long. So who brings nothing is followed by the next in rank only. Nothing could be brought before since.
func (p *Planner) crew(since, now time.Time) crew {
	var c crew
	patience := p.takeOver()
	for _, q := range p.ranks {
		c.self = c.self || p.rank > q.rank && !c.full()
		if !q.mate() || c.full() {
			q.joined = time.Time{}
			continue
		}
		if q.joined.IsZero() {
			q.joined = now
		}
		joins := now.Sub(q.joined) < joinTime && !q.vow.broken
		if now.Sub(latest(q.progress, since)) < patience || joins || mutant.On(mutant.DropTakeover) {
			c.mates = append(c.mates, q)
		}
	}
	c.self = c.self || !c.full()
	return c
}

func (c crew) full() bool { return len(c.mates)+kindOf(c.self) == crewSize }

// crewRank is that of a node for the blob as a whole.
func crewRank(seed uint64) uint64 { return rank(seed, -1) }

func byRank(a, b *peer) int { return cmp.Compare(b.rank, a.rank) }

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
