package planner

import (
	"math"
	"slices"
	"time"
)

// kind is peers that may be asked, and for what.
type kind struct {
	may  func(q *peer) bool
	near bool // local peers: what mates are getting over the uplink may be asked of them
	owed bool // only for what they give to this site
}

var (
	localPeer  = kind{may: func(q *peer) bool { return q.local && q.trusted() }, near: true}
	localDoubt = kind{may: func(q *peer) bool { return q.local && !q.trusted() }, near: true}
	farPeer    = kind{may: func(q *peer) bool { return q.far() && q.trusted() }}
	farDoubt   = kind{may: func(q *peer) bool { return q.far() && !q.trusted() }}
	// anyDoubt is for what is left to mirrors.
	anyDoubt = kind{may: func(q *peer) bool { return !q.local && !q.trusted() }}
)

// offers returns the turns of the pieces that such a peer may be asked for; nil stands for all.
func (of kind) offers(q *peer) *turns {
	switch {
	case of.owed:
		return q.owed
	case q.all:
		return nil
	}
	return &q.gives
}

// able is the peers of a kind that can be asked for something, by ID.
type able struct {
	kind
	peers []*peer
}

// able finds out who can be asked. Within Next nobody comes to that.
func (p *Planner) able(of kind, now time.Time) *able {
	a := &able{kind: of}
	for _, q := range p.order {
		if of.may(q) && q.usable(now) {
			if gives := of.offers(q); gives == nil || gives.n > 0 {
				a.peers = append(a.peers, q)
			}
		}
	}
	return a
}

// next returns the first turn from k on of a piece of the set that one can be asked for, or -1.
func (a *able) next(s *turns, k int, now time.Time) int {
	a.leave(now)
	return a.soonest(s, k, a.peers)
}

// last returns the last turn up to k of a piece of the set that one can be asked for, or -1.
func (a *able) last(s *turns, k int, now time.Time) int {
	a.leave(now)
	best := none
	for _, q := range a.peers {
		best = max(best, s.last(a.offers(q), k))
	}
	return best
}

// leave takes those away that cannot be asked any more.
func (a *able) leave(now time.Time) {
	a.peers = slices.DeleteFunc(a.peers, func(q *peer) bool { return !a.may(q) || !q.usable(now) })
}

// soonest returns the first turn from k on of a piece of the set that one of some peers offers, or -1.
func (of kind) soonest(s *turns, k int, peers []*peer) int {
	best := none
	for _, q := range peers {
		if at := s.next(of.offers(q), k); at >= 0 && (best < 0 || at < best) {
			best = at
		}
	}
	return best
}

// askInTurn asks for the pieces of a set, in their turn.
func (p *Planner) askInTurn(s *turns, of *able, now time.Time, e *Effects) {
	if s.n == 0 {
		return
	}
	order := p.sets.order[kindOf(of.near)]
	for at := of.next(s, 0, now); at >= 0; at = of.next(s, at+1, now) {
		if pc := &p.pieces[order[at]]; of.near || pc.idle > pc.claimed {
			p.askAll(pc, of, now, e)
		}
	}
}

// askAll asks one peer after the other for the piece; one of which mates are getting all that it has is passed over.
func (p *Planner) askAll(pc *piece, of *able, now time.Time, e *Effects) {
	for pc.idle > 0 {
		q := p.pick(pc, of, now)
		if q == nil {
			return
		}
		r := p.ask(q, pc, now)
		if len(r.Runs) == 0 {
			of = p.unclaimed(pc, of)
			continue
		}
		e.Requests = append(e.Requests, r)
	}
}

// open reports whether the peer can be asked for a chunk of the piece: over the uplink for nothing that a mate is getting.
func (p *Planner) open(q *peer, pc *piece, i int) bool {
	c := &p.chunks[i]
	return !c.have && c.from == nil && q.holds(i) && (q.local || pc.claimed == 0 || !p.claimed(i))
}

// unclaimed is those of some peers that can be asked for something of the piece.
func (p *Planner) unclaimed(pc *piece, of *able) *able {
	some := &able{kind: of.kind}
	for _, q := range of.peers {
		for i := pc.first; i < pc.first+pc.count; i++ {
			if p.open(q, pc, i) {
				some.peers = append(some.peers, q)
				break
			}
		}
	}
	return some
}

// pick returns the peer that would have delivered the piece soonest; nil if none can be asked.
// Of equals, each node and piece prefer another, so that a site does not ask one seed for all. Of those that are not
// trusted it is the one that failed least: else the others could take turns for ever.
func (p *Planner) pick(pc *piece, of *able, now time.Time) *peer {
	var best *peer
	var soonest float64
	for _, q := range of.peers {
		if gives := of.offers(q); gives != nil && !gives.has(pc.turns[q.kind()]) || !of.may(q) || !q.usable(now) {
			continue
		}
		at := q.backlog(pc)
		if !q.trusted() {
			at = float64(q.rests)
		}
		if best == nil || at < soonest && !near(at, soonest) ||
			near(at, soonest) && rank(q.seed^p.self, pc.index) > rank(best.seed^p.self, pc.index) {
			best, soonest = q, at
		}
	}
	return best
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// backlog is how many seconds a peer will take for what was asked of it and a piece.
func (q *peer) backlog(pc *piece) float64 {
	rate := q.rate
	if rate == 0 {
		rate = 1 << 20
	}
	return float64(q.bytes+pc.bytes) / rate
}

// ask requests what the peer has of the piece; over the uplink only so much that something is still on its
// way when it has come, and nothing that a mate is getting.
func (p *Planner) ask(q *peer, pc *piece, now time.Time) Request {
	r := Request{Peer: q.id}
	full := q.bytes + max(minAsk, q.window()/2)
	for i := pc.first; i < pc.first+pc.count && (q.local || q.bytes < full); i++ {
		if !p.open(q, pc, i) {
			continue
		}
		r.Runs = appendChunk(r.Runs, i)
		p.charge(q, i, now)
	}
	if len(r.Runs) == 0 {
		return r
	}
	p.setIdle(pc, r.Runs, -1)
	p.queue(q, pc)
	if !q.local {
		p.flight, p.flown = append(p.flight, r.Runs...), true
	}
	return r
}

// charge counts a chunk as asked of a peer.
func (p *Planner) charge(q *peer, i int, now time.Time) {
	if q.flight == 0 {
		q.await(now)
	}
	p.chunks[i].from = q
	q.flight++
	q.bytes += int64(p.cfg.Sizes[i])
	q.uplink.bytes += int64(p.cfg.Sizes[i])
}

// await has the peer waited for from here on, as one of which nothing has come yet.
func (q *peer) await(now time.Time) {
	q.active, q.alive, q.asked, q.gathered, q.trickle = now, now, now, 0, trickle{since: now}
}
