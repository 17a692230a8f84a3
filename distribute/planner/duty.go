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

// onDuty reports whether getting a piece over the uplink is this node's: no keen mate is before
// it in rank. No trusted local peer has any idle chunk of the piece, so the keen lack it too.
func (p *Planner) onDuty(pc *piece, keen []*peer) bool {
	mine := rank(p.self, pc.index)
	for _, q := range keen {
		if rank(q.seed, pc.index) > mine {
			return false
		}
	}
	return true
}
