package planner

import (
	"time"

	"selvage/internal/mutant"
)

// mate reports whether the peer may get pieces for the site.
func (q *peer) mate() bool { return q.local && q.wants && !q.all && q.trusted() }

// takeOver is how long the one on duty may bring nothing.
func (p *Planner) takeOver() time.Duration {
	var rate float64
	for _, q := range p.order {
		if !q.local {
			rate = max(rate, q.rate)
		}
	}
	return max(TakeOver, p.slow(rate))
}

// keen returns the mates that may be waited for: they brought something not long ago.
func (p *Planner) keen(now time.Time) []*peer {
	patience := p.takeOver()
	var keen []*peer
	for _, q := range p.order {
		if q.mate() && (now.Sub(q.progress) < patience || mutant.On(mutant.DropTakeover)) {
			keen = append(keen, q)
		}
	}
	return keen
}

// before counts the keen mates that are before this node in rank, and returns one: this node is on duty if there is
// none, and helps the one on duty if that is the only one. No trusted local peer has any idle chunk of the piece, so
// the keen lack it too.
func (p *Planner) before(pc *piece, keen []*peer) (n int, one *peer) {
	mine := rank(p.self, pc.index)
	for _, q := range keen {
		if rank(q.seed, pc.index) > mine {
			n, one = n+1, q
		}
	}
	return n, one
}
