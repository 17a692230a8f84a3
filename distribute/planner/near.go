package planner

import (
	"slices"
	"time"
)

// askLocal gives local peers work, the rarest pieces first.
func (p *Planner) askLocal(now time.Time, e *Effects) {
	peers := p.able(localPeer, now)
	if len(peers.peers) == 0 {
		return
	}
	p.line()
	for k := range p.sets.near {
		p.askInTurn(&p.sets.near[k], peers, now, e)
	}
}

// line puts the pieces into the order in which this node takes them from local peers, of those that are equally rare: one of its own, if
// it has mates. If not, as they lie: then the digest of the whole keeps up with what comes.
func (p *Planner) line() {
	own := slices.ContainsFunc(p.order, (*peer).mate)
	if own == p.sets.own {
		return
	}
	p.sets.own = own
	if own {
		p.reorder(1, p.own)
	} else {
		p.reorder(1, p.lie)
	}
}

// askLast asks peers that are not trusted for what nobody else has.
func (p *Planner) askLast(now time.Time, e *Effects) {
	p.askInTurn(&p.sets.bare, p.able(localDoubt, now), now, e)
	if !p.closed {
		p.askInTurn(&p.sets.far[farLast], p.able(farDoubt, now), now, e)
		p.askInTurn(&p.sets.left, p.able(anyDoubt, now), now, e)
	}
}
