package planner

import "time"

// Uplink notes whether bytes may come over the uplink now. While they may not, nobody beyond it is asked, nor given up. Once they may
// again, mates and peers are given the time that they have at first: nobody could bring anything.
func (p *Planner) Uplink(open bool, now time.Time) {
	if open == !p.closed {
		return
	}
	p.closed = !open
	if p.closed {
		return
	}
	p.opened, p.fed, p.looked, p.trade.scant = now, now, time.Time{}, scant{}
	for at := range p.pieces {
		p.pieces[at].bare = time.Time{}
	}
	for _, q := range p.order {
		if !q.local && q.flight > 0 {
			q.await(now)
		}
	}
}

// shut reports whether the peer is behind an uplink that is closed.
func (p *Planner) shut(q *peer) bool { return p.closed && !q.local }
