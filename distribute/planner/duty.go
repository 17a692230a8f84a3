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
	if slices.Equal(keen, p.keenest) {
		return
	}
	for _, q := range keen {
		q.keen = true
	}
	for k := 0; k < len(p.keenest); {
		if q := p.keenest[k]; !q.keen {
			p.keenest = slices.Delete(p.keenest, k, k+1)
			p.resign(q)
			continue
		}
		k++
	}
	for _, q := range p.keenest {
		q.keen = false // it is assigned
	}
	for _, q := range keen {
		if q.keen {
			q.keen = false
			p.enlist(q)
		}
	}
	p.keenest = append(p.keenest[:0], keen...)
	p.unheeded = true
}

// enlist assigns to one more.
func (p *Planner) enlist(q *peer) {
	for at := range p.pieces {
		if pc := &p.pieces[at]; p.behind(q, at) {
			if pc.before++; pc.before == 1 {
				pc.duty = q
			}
			p.sortEarly(pc)
		}
	}
}

// resign assigns what was of one who is not among the keenest any more.
func (p *Planner) resign(q *peer) {
	for at := range p.pieces {
		if pc := &p.pieces[at]; p.behind(q, at) {
			if pc.before--; pc.before == 1 {
				pc.duty = p.keenest[slices.IndexFunc(p.keenest, func(o *peer) bool { return p.behind(o, at) })]
			}
			p.sortEarly(pc)
		}
	}
}

// sortEarly sorts a piece that one more or less is before this node in getting, unless there are so many that it does not matter.
func (p *Planner) sortEarly(pc *piece) {
	if pc.before <= 2 {
		p.sort(pc)
	}
}

// behind reports whether this node comes after a mate in getting a piece.
func (p *Planner) behind(q *peer, at int) bool { return rank(q.seed, at) > rank(p.self, at) }
