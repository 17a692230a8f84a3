package planner

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Next says what to do now, and counts what it says as asked.
func (p *Planner) Next(now time.Time) Effects {
	var e Effects
	if p.left == 0 {
		return e
	}
	for _, q := range p.order {
		if q.flight > 0 && !p.shut(q) && p.stuck(q, now) {
			p.Failed(q.id, now)
			e.Cancel = append(e.Cancel, q.id)
		}
	}
	p.askLocal(now, &e)
	keen := p.keen(now)
	p.assign(keen)
	p.heed(keen, now)
	p.askUplink(keen, now, &e)
	p.askMirrors(now, &e)
	p.askLast(now, &e)
	if p.flown {
		e.Taking, p.flown, p.told = true, false, now
		if len(p.flight) > maxFlight {
			p.Taking()
		}
	}
	e.Wake = p.wake(now)
	return e
}

// slow is the time that slowChunks chunks take at a rate; 0 if it is not known.
func (p *Planner) slow(rate float64) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(min(slowChunks*float64(p.largest)/rate, maxTakeOver.Seconds()) * float64(time.Second))
}

// usable reports whether the peer may be asked for more.
func (q *peer) usable(now time.Time) bool {
	return !q.banned && !now.Before(q.rest) && (q.all || q.count > 0) && q.bytes < q.window()
}

// window is how many bytes may be in flight from a peer before it is asked for no more. Who is not
// trusted is asked for one piece at a time.
func (q *peer) window() int64 {
	switch {
	case !q.trusted():
		return 1
	case q.local:
		return localWindow
	}
	return max(minPiece, min(uplinkWindow, int64(q.rate*aheadTime.Seconds())))
}

// kind picks the peers that may be asked for a piece; nil stands for any piece.
type kind func(q *peer, pc *piece) bool

func localPeer(q *peer, _ *piece) bool  { return q.local && q.trusted() }
func farPeer(q *peer, _ *piece) bool    { return q.far() && q.trusted() }
func localDoubt(q *peer, _ *piece) bool { return q.local && !q.trusted() }

// farDoubt is for mirrors too, of pieces that are left to them.
func farDoubt(q *peer, pc *piece) bool {
	return !q.local && !q.trusted() && (!q.mirror || pc == nil || pc.forsaken)
}

// anyUsable reports whether there is anyone of a kind to be asked.
func (p *Planner) anyUsable(of kind, now time.Time) bool {
	return slices.ContainsFunc(p.order, func(q *peer) bool { return of(q, nil) && q.usable(now) })
}

// askLocal gives local peers work, the rarest pieces first.
func (p *Planner) askLocal(now time.Time, e *Effects) {
	if !p.anyUsable(localPeer, now) {
		return
	}
	p.free = p.free[:0]
	mates := slices.ContainsFunc(p.order, (*peer).mate)
	for at := range p.pieces {
		pc := &p.pieces[at] // as they lie: then the digest of the whole keeps up with what comes
		if mates {
			pc = &p.pieces[p.own[at]]
		}
		if p.offered(pc)[1] > 0 {
			p.free = append(p.free, pc)
		}
	}
	slices.SortStableFunc(p.free, func(a, b *piece) int { return cmp.Compare(a.partly[1], b.partly[1]) })
	for _, pc := range p.free {
		if !p.askAll(pc, localPeer, now, e) && !p.anyUsable(localPeer, now) {
			return
		}
	}
}

// askLast asks peers that are not trusted for what nobody else has.
func (p *Planner) askLast(now time.Time, e *Effects) {
	local, far := p.anyUsable(localDoubt, now), p.anyUsable(farDoubt, now)
	if far = far && !p.closed; !local && !far {
		return
	}
	for _, at := range p.trade.order {
		pc := &p.pieces[at]
		if pc.idle == 0 || p.offered(pc) != (offers{}) && !pc.forsaken {
			continue
		}
		if local {
			p.askAll(pc, localDoubt, now, e)
		}
		if far && pc.before == 0 {
			p.askAll(pc, farDoubt, now, e)
		}
	}
}

// askAll asks one peer after the other for the piece; it reports whether nothing of it is idle then.
func (p *Planner) askAll(pc *piece, of kind, now time.Time, e *Effects) bool {
	for pc.idle > 0 {
		q := p.pick(pc, of, now)
		if q == nil {
			return false
		}
		r := p.ask(q, pc, now)
		if len(r.Runs) == 0 {
			return false
		}
		e.Requests = append(e.Requests, r)
	}
	return true
}

// pick returns the peer that would have delivered the piece soonest; nil if none can be asked.
// Of equals, each node and piece prefer another, so that a site does not ask one seed for all. Of those that are not
// trusted it is the one that failed least: else the others could take turns for ever.
func (p *Planner) pick(pc *piece, of kind, now time.Time) *peer {
	var best *peer
	var soonest float64
	for _, q := range p.order {
		if !of(q, pc) || !q.all && q.idle[pc.index] == 0 || !q.usable(now) {
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
		c := &p.chunks[i]
		if c.have || c.from != nil || !q.all && !q.has[i] || !q.local && pc.claimed > 0 && p.claimed(i) {
			continue
		}
		if n := len(r.Runs); n > 0 && r.Runs[n-1].First+r.Runs[n-1].Count == i {
			r.Runs[n-1].Count++
		} else {
			r.Runs = append(r.Runs, Run{i, 1})
		}
		p.flown = p.flown || !q.local
		if q.flight == 0 {
			q.active, q.alive, q.asked, q.gathered = now, now, now, 0 // from here on it is waited for
		}
		c.from = q
		q.flight++
		q.bytes += int64(p.cfg.Sizes[i])
		p.setIdle(i, -1)
	}
	if !q.local {
		p.flight = append(p.flight, r.Runs...)
	}
	return r
}

// wake returns the next moment at which time alone changes what Next says.
func (p *Planner) wake(now time.Time) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	patience := p.takeOver()
	sooner(p.cfg.Began.Add(hearTime))
	sooner(p.mirrorAt)
	for _, t := range []time.Time{p.forlorn, p.opened} {
		if !t.IsZero() {
			sooner(t.Add(patience))
		}
	}
	if p.trade.withheld {
		sooner(now.Add(incomeTime))
	}
	for _, q := range p.order {
		if q.flight > 0 && !p.shut(q) {
			sooner(p.nextLook(q))
			sooner(q.alive.Add(q.stall()))
		}
		if !q.banned {
			sooner(q.rest)
		}
		if q.mate() {
			for _, c := range q.claims {
				sooner(c.since.Add(claimMost))
			}
			sooner(q.progress.Add(patience))
		}
	}
	return next
}
