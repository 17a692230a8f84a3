package planner

import (
	"slices"
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
func (p *Planner) keen(now time.Time) []*peer { return p.keenSince(p.opened, now) }

// keenSince is keen, where nothing could be brought before a time.
func (p *Planner) keenSince(since, now time.Time) []*peer {
	patience := p.takeOver()
	var keen []*peer
	for _, q := range p.order {
		last := q.progress
		if last.Before(since) {
			last = since
		}
		if q.mate() && (now.Sub(last) < patience || mutant.On(mutant.DropTakeover)) {
			keen = append(keen, q)
		}
	}
	return keen
}

// assign finds out for each piece whose duty it is to get it over the uplink, and who helps: among this node and the
// keen mates, the first and the second in rank. A piece that a local peer offers is nobody's duty; if none does, the keen lack it too.
func (p *Planner) assign(keen []*peer) {
	if p.assigned && slices.Equal(keen, p.keenest) {
		return
	}
	p.keenest, p.assigned = append(p.keenest[:0], keen...), true
	for at := range p.pieces {
		pc := &p.pieces[at]
		mine := rank(p.self, at)
		pc.before, pc.duty = 0, nil
		for _, q := range keen {
			if rank(q.seed, at) > mine {
				pc.before, pc.duty = pc.before+1, q
			}
		}
	}
}
