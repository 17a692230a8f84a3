package planner

import (
	"crypto/sha256"
	"encoding/binary"
)

// trusted reports whether the peer is believed to give what it says it has.
func (q *peer) trusted() bool { return !q.banned && q.rests < distrust }

func (q *peer) kind() int { return kindOf(q.local) }

func kindOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// offered counts the trusted peers that have something of the piece which is neither here nor requested.
func (p *Planner) offered(pc *piece) offers {
	if pc.idle == 0 {
		return offers{}
	}
	return offers{pc.partly[0] + p.wholes[0], pc.partly[1] + p.wholes[1]}
}

// change makes a change to what a peer counts for.
func (p *Planner) change(q *peer, f func()) {
	trusted, all := q.trusted(), q.all
	f()
	if trusted == q.trusted() && all == q.all {
		return
	}
	if trusted {
		p.tally(q, all, -1)
	}
	if q.trusted() {
		p.tally(q, q.all, 1)
	}
}

// tally adds a peer to the counts, or takes it away. A mirror counts for nothing.
func (p *Planner) tally(q *peer, all bool, d int) {
	if q.mirror {
		return
	}
	if all {
		p.wholes[q.kind()] += d
		return
	}
	for at, n := range q.idle {
		if n > 0 {
			p.pieces[at].partly[q.kind()] += d
		}
	}
}

// offer counts idle chunks that a peer has, which has not all: one more, or one less.
func (p *Planner) offer(q *peer, at, d int) {
	before := q.idle[at] > 0
	q.idle[at] += d
	if after := q.idle[at] > 0; before != after && q.trusted() {
		p.pieces[at].partly[q.kind()] += d
	}
}

// setIdle counts a chunk that begins to be idle, or ends.
func (p *Planner) setIdle(i, d int) {
	at := p.of[i]
	p.pieces[at].idle += d
	for _, q := range p.order {
		if !q.all && q.has[i] {
			p.offer(q, at, d)
		}
	}
}

// settle ends a chunk's request.
func (p *Planner) settle(i int) {
	c := &p.chunks[i]
	c.from.flight--
	c.from.bytes -= int64(p.cfg.Sizes[i])
	c.from = nil
}

// release makes what was asked of a peer free to be asked of others.
func (p *Planner) release(q *peer) {
	if q.flight == 0 {
		return
	}
	p.flown = p.flown || !q.local
	for i := range p.chunks {
		if p.chunks[i].from == q {
			p.settle(i)
			p.setIdle(i, 1)
		}
	}
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
