package planner

import (
	"slices"
	"time"
)

// aheadBytes is what the one on duty may ask a peer for beyond its window before the one that helps it knows.
const aheadBytes = minPiece

// help asks peers that will soon have sent all for pieces that are the duty of a mate, and that the mate will not ask for soon. It begins
// at the other end than the mate.
func (p *Planner) help(s *turns, givers func(q *peer) bool, of *able, now time.Time, e *Effects) {
	at := of.last(s, len(p.pieces)-1, now)
	if at < 0 {
		return
	}
	kept := p.keep(s, givers)
	for ; at >= 0; at = of.last(s, at-1, now) {
		if pc := &p.pieces[p.sets.order[0][at]]; !pc.kept && pc.idle > pc.claimed {
			p.askAll(pc, of, now, e)
		}
	}
	for _, pc := range kept {
		pc.kept = false
	}
}

// keep finds out what mates will ask for soon of the pieces of a set that are their duty, of peers that have them: in their turn, until
// each mate has enough to ask each peer for.
func (p *Planner) keep(s *turns, givers func(q *peer) bool) (kept []*piece) {
	mates := len(p.crewed.mates)
	var some []*peer
	for _, q := range p.order {
		if givers(q) {
			q.next, q.ahead = slices.Grow(q.next[:0], mates)[:mates], 0
			clear(q.next)
			some = append(some, q)
		}
	}
	open := slices.Clone(some)
	for at := farPeer.soonest(s, 0, open); at >= 0; at = farPeer.soonest(s, at+1, open) {
		pc := &p.pieces[p.sets.order[0][at]]
		if pc.idle == pc.claimed {
			continue
		}
		if !p.spare(pc, some) {
			pc.kept = true
			kept = append(kept, pc)
		}
		open = slices.DeleteFunc(open, func(q *peer) bool { return q.ahead == mates })
	}
	return kept
}

// spare reports whether the one on duty for a piece has enough else to ask for of everyone who has it. If not, it may have asked
// for the piece already, and will before this node: then it is counted as what it asks next, of the one of whom it asks for least.
// It is taken to be given as much at a time as this node is.
func (p *Planner) spare(pc *piece, givers []*peer) bool {
	var least *peer
	turn, most := pc.duty.turn, 0
	for _, q := range givers {
		n := pc.idle
		if !q.all {
			n = int(q.idle[pc.index])
		}
		if n == 0 {
			continue
		}
		if least == nil || q.next[turn]-q.window() < least.next[turn]-least.window() {
			least = q
		}
		most = max(most, n)
	}
	if least == nil || least.enough(turn) {
		return true
	}
	least.next[turn] += pc.bytes * int64(max(0, most-pc.claimed)) / int64(pc.count)
	if least.enough(turn) {
		least.ahead++
	}
	return false
}

// enough reports whether one of the crew has enough to ask the peer for.
func (q *peer) enough(turn int) bool { return q.next[turn] >= q.window()+aheadBytes }
