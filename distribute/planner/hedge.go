package planner

import (
	"slices"
	"time"
)

// What a late peer was asked for is asked of a local one too, if that would have it in a hedgeSooner-th of the time, and
// hedgeLeast sooner.
const (
	hedgeSooner = 4
	hedgeLeast  = 500 * time.Millisecond
)

// hedge asks other local peers for what one is late with, once nothing is left that nobody was asked for. It takes from the end of what the
// late one sends, so that the two meet; each chunk is asked for twice at most, and never over the uplink, though it may have been first.
func (p *Planner) hedge(now time.Time, e *Effects) {
	if p.idle > 0 {
		return
	}
	others := &able{kind: localPeer, peers: slices.Clone(p.order)} // though they have nothing else to give
	for _, q := range p.order {
		switch {
		case q.flight == 0:
		case q.remaining(now) < hedgeLeast:
			p.hedgeNext(q.active.Add(hedgeLeast))
		default:
			p.hedgeOne(q, others, now, e)
		}
	}
}

// hedgeNext takes note of when somebody may be late.
func (p *Planner) hedgeNext(at time.Time) {
	if p.hedgeAt.IsZero() || at.Before(p.hedgeAt) {
		p.hedgeAt = at
	}
}

// hedgeOne does so for one that may be late.
func (p *Planner) hedgeOne(q *peer, others *able, now time.Time, e *Effects) {
	for k := len(q.asks) - 1; k >= 0; k-- {
		r := p.quickest(q, q.asks[k], others, now)
		if r == nil {
			continue
		}
		need := hedgeLeast + hedgeSooner*r.expected(q.asks[k], now)
		if q.remaining(now) < need {
			p.hedgeNext(q.active.Add(need))
			return
		}
		e.Requests = append(e.Requests, p.askAgain(q, r, q.asks[k], now))
	}
}

// quickest returns who would be the first, of those that have some of what a peer was asked for of a piece, and was asked for once.
func (p *Planner) quickest(q *peer, pc *piece, others *able, now time.Time) *peer {
	others.leave(now)
	if !slices.ContainsFunc(others.peers, func(r *peer) bool { return r != q }) {
		return nil
	}
	var best *peer
	for _, run := range p.asked(q, pc) {
		for i := run.First; i < run.First+run.Count; i++ {
			if p.chunks[i].late != nil {
				continue
			}
			for _, r := range others.peers {
				unknown := r.rate == 0 && r.flight > 0 // it may be late itself
				if r != q && !unknown && r.holds(i) && (best == nil || r.expected(pc, now) < best.expected(pc, now)) {
					best = r
				}
			}
		}
	}
	return best
}

// askAgain asks one for what another is late with of a piece. What comes from the late one is as welcome.
func (p *Planner) askAgain(q, r *peer, pc *piece, now time.Time) Request {
	again := Request{Peer: r.id}
	for _, run := range p.asked(q, pc) {
		for i := run.First; i < run.First+run.Count; i++ {
			c := &p.chunks[i]
			if c.late != nil || !r.holds(i) {
				continue
			}
			p.settle(i)
			c.late = q
			q.hedged++
			p.charge(r, i, now)
			again.Runs = appendChunk(again.Runs, i)
		}
	}
	p.queue(r, pc)
	return again
}

// decide takes note of who was first with a chunk that was asked for twice; the others will send it for nothing. The chunk's request is
// not settled yet.
func (c *chunk) decide(first *peer) {
	if c.late == nil {
		return
	}
	c.late.hedged--
	for _, q := range []*peer{c.late, c.from} {
		if q != nil && q != first {
			q.waste++
		}
	}
	c.late = nil
}

// unhedge ends what was asked for twice of a piece, if this peer was one of those who were asked.
func (p *Planner) unhedge(q *peer, pc *piece) {
	if pc.idle == pc.missing {
		return
	}
	for i := pc.first; i < pc.first+pc.count; i++ {
		if c := &p.chunks[i]; c.late != nil && (c.late == q || c.from == q) {
			c.late.hedged--
			c.late = nil
		}
	}
}

// queue takes note that a peer was asked for a piece, and forgets those that it has sent.
func (p *Planner) queue(q *peer, pc *piece) {
	for len(q.asks) > 0 && p.asked(q, q.asks[0]) == nil {
		q.asks = q.asks[1:]
	}
	q.asks = append(q.asks, pc)
}

// lost reports whether all that the peer will still send has come from others.
func (q *peer) lost() bool { return q.waste > 0 && q.flight == 0 && q.hedged == 0 }

// remaining is how long the peer will still take for what it was asked for. One from which nothing comes takes as long again.
func (q *peer) remaining(now time.Time) time.Duration {
	silent := now.Sub(q.active)
	if q.rate == 0 {
		return silent
	}
	return max(silent, seconds(float64(q.bytes)/q.rate))
}

// expected is how long the peer will take for a piece, after all that it was asked for.
func (q *peer) expected(pc *piece, now time.Time) time.Duration {
	d := seconds(q.backlog(pc))
	if q.flight > 0 {
		d = max(d, q.remaining(now))
	}
	return d
}

// holds reports whether the peer has a chunk.
func (q *peer) holds(i int) bool { return q.all || q.has.has(i) }

func seconds(s float64) time.Duration { return time.Duration(min(s, 1e6) * float64(time.Second)) }
