package planner

import (
	"slices"
	"time"
)

// askUplink asks other sites for the pieces that no local peer has and no mate is getting: those that are this
// node's duty, and if there is room for more, those of the mate that it helps.
func (p *Planner) askUplink(now time.Time, e *Effects) {
	p.deal()
	p.trade.withheld = false
	if p.closed || !p.anyUsable(farPeer, now) || p.hears(now) {
		return
	}
	p.look(now)
	for k, q := range p.crewed.mates {
		q.turn = k
	}
	far := &p.sets.far
	if p.weigh(now); p.trade.scant.is {
		p.askSeeds(now, e)
		return
	}
	p.askInTurn(&far[farMine+1], p.able(fromTraders, now), now, e)
	p.askInTurn(&far[farMine], p.able(fromOwers, now), now, e)
	p.help(&far[farHelped+1], (*peer).trader, p.able(fromDryTraders, now), now, e)
	p.help(&far[farHelped], (*peer).seeds, p.able(fromDryOwers, now), now, e)
	p.askSooner(now, e)
}

// askSeeds asks seeds for all that is to come over the uplink: what only they have first.
func (p *Planner) askSeeds(now time.Time, e *Effects) {
	far := &p.sets.far
	for _, traded := range []int{0, 1} {
		p.askInTurn(&far[farMine+traded], p.able(fromSeeds, now), now, e)
	}
	for _, traded := range []int{0, 1} {
		p.help(&far[farHelped+traded], (*peer).seeds, p.able(fromDrySeeds, now), now, e)
	}
}

// look finds out what other sites that get the blob have of it.
func (p *Planner) look(now time.Time) {
	t, far := &p.trade, &p.sets.far
	if whole := slices.ContainsFunc(p.order, func(q *peer) bool { return q.all && q.trader() }); whole != t.whole {
		t.whole, p.sets.stale = whole, true
		p.freshen()
	}
	if n := far[farMine].n + far[farHelped].n + far[farRare].n; n != t.rare {
		t.rare, t.fewer = n, now
	}
}

// hears reports whether local peers may still be about to say what they have, and are getting.
func (p *Planner) hears(now time.Time) bool {
	return now.Sub(p.cfg.Began) < hearTime && slices.ContainsFunc(p.order, func(q *peer) bool { return q.local && !q.told })
}

// traded reports whether other sites that get the blob have something of the piece.
func (p *Planner) traded(pc *piece) bool { return pc.partly[0] > 0 || p.trade.whole }

// askSooner asks seeds for what is expected of other sites, if they would have delivered it long before those.
func (p *Planner) askSooner(now time.Time, e *Effects) {
	seeds := p.able(fromDrySeeds, now)
	if len(seeds.peers) == 0 {
		return
	}
	expected := p.sets.mine
	for _, q := range p.order {
		if q.trader() {
			expected += q.bytes
		}
	}
	for traded, eager := range []float64{eagerRare, eagerTraded} {
		if traded == 1 && p.trade.rare > 0 && now.Sub(p.trade.fewer) < TakeOver {
			p.trade.withheld = true // the seed may go: each piece is to get out once first
			return
		}
		s := &p.sets.far[farMine+traded]
		for at := seeds.next(s, 0, now); at >= 0; at = seeds.next(s, at+1, now) {
			pc := &p.pieces[p.sets.order[0][at]]
			if pc.idle == pc.claimed {
				continue
			}
			if q := p.pick(pc, seeds, now); q.backlog(pc)*eager >= p.trade.wait(expected, now) {
				p.trade.withheld = true
				return
			}
			expected -= pc.idleBytes()
			p.askAll(pc, seeds, now, e)
		}
	}
}

// idleBytes is about how much of the piece nobody was asked for, by this node or a mate.
func (pc *piece) idleBytes() int64 { return pc.bytes * int64(pc.idle-pc.claimed) / int64(pc.count) }
