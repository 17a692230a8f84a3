package planner

import (
	"crypto/sha256"
	"encoding/binary"
)

// trusted reports whether the peer is believed to give what it says it has.
func (q *peer) trusted() bool { return !q.banned && !q.left && q.rests < distrust }

// counts reports whether what the peer has is looked at, when it is found out what is offered.
func (q *peer) counts() bool { return q.trusted() && !q.covered }

func (q *peer) kind() int { return kindOf(q.local) }

func kindOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// offered counts the peers, of those that count, that have something of the piece which is neither here nor requested.
func (p *Planner) offered(pc *piece) offers {
	if pc.idle == 0 {
		return offers{}
	}
	return offers{pc.partly[0] + p.wholes[0], pc.partly[1] + p.wholes[1]}
}

// change makes a change to what a peer counts for.
func (p *Planner) change(q *peer, f func()) {
	counts, all := q.counts(), q.all
	f()
	if counts == q.counts() && all == q.all {
		return
	}
	p.news.stale = true
	if counts {
		p.tally(q, all, -1)
	}
	if q.counts() {
		p.tally(q, q.all, 1)
	}
}

// tally adds a peer to the counts, or takes it away. A mirror counts for nothing.
func (p *Planner) tally(q *peer, all bool, d int) {
	if q.mirror {
		return
	}
	if all {
		before := p.wholes[q.kind()]
		p.wholes[q.kind()] += d
		p.sets.stale = p.sets.stale || before == 0 || before+d == 0
		return
	}
	for at, n := range q.idle {
		if n > 0 {
			p.pieces[at].partly[q.kind()] += d
			p.sort(&p.pieces[at])
		}
	}
}

// offer counts idle chunks of a piece that a peer has, which has not all: so many more, or less.
func (p *Planner) offer(q *peer, pc *piece, n int) {
	before := q.idle[pc.index] > 0
	q.idle[pc.index] += int16(n)
	after := q.idle[pc.index] > 0
	if before == after {
		return
	}
	q.gives.set(pc.turns[q.kind()], after)
	if q.counts() {
		pc.partly[q.kind()] += kindOf(after) - kindOf(before)
	}
}

// setIdle counts chunks of a piece that begin to be idle (1), or end to be so (-1).
func (p *Planner) setIdle(pc *piece, runs []Run, d int) {
	for _, r := range runs {
		pc.idle += d * r.Count
		p.idle += d * r.Count
		if pc.claimed > 0 || d > 0 {
			n := d * p.claimedOf(r)
			pc.claimed += n
			p.claims += n
		}
	}
	for _, q := range p.order {
		if q.all {
			continue
		}
		n := 0
		for _, r := range runs {
			n += q.has.count(r)
		}
		if n > 0 {
			p.offer(q, pc, d*n)
		}
	}
	p.sort(pc)
}

// settle ends a chunk's request.
func (p *Planner) settle(i int) {
	c := &p.chunks[i]
	c.from.flight--
	c.from.bytes -= int64(p.cfg.Sizes[i])
	c.from.uplink.bytes -= int64(p.cfg.Sizes[i])
	c.from = nil
}

// release makes what was asked of a peer free to be asked of others.
func (p *Planner) release(q *peer) {
	q.waste = 0
	if q.flight == 0 && q.hedged == 0 {
		return
	}
	p.flown = p.flown || !q.local
	for at := range p.pieces {
		p.unhedge(q, &p.pieces[at])
		if runs := p.asked(q, &p.pieces[at]); len(runs) > 0 {
			for _, r := range runs {
				for i := r.First; i < r.First+r.Count; i++ {
					p.settle(i)
				}
			}
			p.setIdle(&p.pieces[at], runs, 1)
		}
	}
}

// asked returns what a peer was asked for of a piece.
func (p *Planner) asked(q *peer, pc *piece) (runs []Run) {
	if pc.idle == pc.missing {
		return nil
	}
	for i := pc.first; i < pc.first+pc.count; i++ {
		if p.chunks[i].from == q {
			runs = appendChunk(runs, i)
		}
	}
	return runs
}

// appendChunk adds a chunk that comes after all of some runs.
func appendChunk(runs []Run, i int) []Run {
	if k := len(runs) - 1; k >= 0 && runs[k].First+runs[k].Count == i {
		runs[k].Count++
		return runs
	}
	return append(runs, Run{i, 1})
}

// seed hashes what a rank is to depend on.
func seed(kind string, parts ...[]byte) uint64 {
	h := sha256.New()
	h.Write([]byte(kind)) // a hash never fails
	for _, b := range parts {
		h.Write(b)
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// rank is a hash of a piece: as random as its seed, and cheap. It is splitmix64 (Steele, Lea and
// Flood, Fast Splittable Pseudorandom Number Generators, 2014).
func rank(seed uint64, piece int) uint64 {
	z := seed + 0x9e3779b97f4a7c15*uint64(piece+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
