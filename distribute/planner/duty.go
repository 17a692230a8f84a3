package planner

import (
	"slices"
	"time"
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

// assign finds out for each piece whose duty it is to get it over the uplink, and who helps: of the crew, the first and the second in
// rank for the piece. One that a local peer offers is nobody's duty; if none does, the crew lack it too.
func (p *Planner) assign(c crew) {
	if c.self != p.crewed.self {
		p.dismiss(nil)
		p.crewed.self = c.self
	}
	p.dismiss(c.mates)
	for _, q := range c.mates {
		if !slices.Contains(p.crewed.mates, q) {
			p.enlist(q)
		}
	}
	p.crewed.mates = c.mates
}

// dismiss has those resign who are not to stay.
func (p *Planner) dismiss(stay []*peer) {
	for k := 0; k < len(p.crewed.mates); {
		if q := p.crewed.mates[k]; !slices.Contains(stay, q) {
			p.crewed.mates = slices.Delete(p.crewed.mates, k, k+1)
			p.resign(q)
			continue
		}
		k++
	}
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

// resign assigns what was of one who is not of the crew any more.
func (p *Planner) resign(q *peer) {
	for at := range p.pieces {
		if pc := &p.pieces[at]; p.behind(q, at) {
			if pc.before--; pc.before == 1 {
				pc.duty = p.crewed.mates[slices.IndexFunc(p.crewed.mates, func(o *peer) bool { return p.behind(o, at) })]
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

// behind reports whether this node comes after a mate of the crew in getting a piece.
func (p *Planner) behind(q *peer, at int) bool {
	return !p.crewed.self || rank(q.seed, at) > rank(p.self, at)
}
