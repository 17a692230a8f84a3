package planner

import (
	"slices"
	"time"
)

// Next says what to do now, and counts what it says as asked.
func (p *Planner) Next(now time.Time) Effects {
	var e Effects
	if p.left == 0 {
		return e
	}
	p.hedgeAt = time.Time{}
	for _, q := range p.order {
		switch {
		case q.flight == 0 || p.shut(q):
		case p.stuck(q, now) || p.dawdles(q, now):
			p.Failed(q.id, now)
			e.Cancel = append(e.Cancel, q.id)
		case p.trickles(q, now):
			p.leave(q, now)
			e.Cancel, e.Trickles = append(e.Cancel, q.id), append(e.Trickles, q.id)
		}
	}
	for _, q := range p.order { // now that it is known who overtakes nobody any more
		if q.lost() {
			q.waste = 0
			e.Cancel = append(e.Cancel, q.id)
		}
	}
	p.freshen()
	p.askLocal(now, &e)
	p.assign(p.crew(p.opened, now))
	p.heed(p.opened, now)
	p.listen(now, &e)
	p.askUplink(now, &e)
	p.askMirrors(now, &e)
	p.askLast(now, &e)
	p.hedge(now, &e)
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
	return !q.banned && !q.spared && !now.Before(q.rest) && (q.all || q.count > 0) && q.bytes < q.window() && q.hedged+q.waste == 0 &&
		(!q.far() || !q.uplink.full(q.window(), now))
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

// anyUsable reports whether there is anyone of a kind to be asked.
func (p *Planner) anyUsable(of kind, now time.Time) bool {
	return slices.ContainsFunc(p.order, func(q *peer) bool { return of.may(q) && q.usable(now) })
}

// alarm is the first moment that is still to come, of those that it is told; the zero time if there is none.
type alarm struct{ now, at time.Time }

func (a *alarm) by(t time.Time) {
	if t.After(a.now) && (a.at.IsZero() || t.Before(a.at)) {
		a.at = t
	}
}

// wake returns the next moment at which time alone changes what Next says.
func (p *Planner) wake(now time.Time) time.Time {
	a := alarm{now: now}
	patience := p.takeOver()
	a.by(p.cfg.Began.Add(hearTime))
	a.by(p.cfg.Began.Add(dealTime))
	a.by(p.mirrorAt)
	a.by(p.hedgeAt)
	a.by(p.hungry())
	for _, t := range []time.Time{p.forlorn, p.opened} {
		if !t.IsZero() {
			a.by(t.Add(patience))
		}
	}
	if p.trade.withheld {
		a.by(now.Add(incomeTime))
	}
	if !p.trade.scant.since.IsZero() {
		a.by(p.weighed())
	}
	for _, q := range p.order {
		p.wakeFor(q, patience, &a)
	}
	return a.at
}

// wakeFor is wake for what is known of a peer.
func (p *Planner) wakeFor(q *peer, patience time.Duration, a *alarm) {
	if q.flight > 0 && !p.shut(q) {
		a.by(p.nextLook(q))
		a.by(q.alive.Add(q.stall()))
		if q.local {
			a.by(q.trickle.due())
		} else { // mates may have to be told again that it is coming
			a.by(p.told.Add(tellAgain))
			a.by(a.now.Add(tellAgain))
		}
	}
	if !q.banned {
		a.by(q.rest)
	}
	if q.mate() {
		a.by(q.vow.due())
		a.by(q.progress.Add(patience))
		a.by(q.joined.Add(joinTime))
	}
}
