package planner

import (
	"slices"
	"time"
)

// A peer that sends is known to by a chunk, or by Alive, which is told of what SignBytes have come since, at most every
// SignEvery.
const (
	SignEvery = time.Second
	SignBytes = 4 << 10
)

// How long a peer may give no sign of what it was asked for: at most, and at least. A busy machine, or a link that is lost
// for a moment, is no reason to ask somebody else.
const (
	localStall, localLeast   = 5 * time.Second, time.Second
	uplinkStall, uplinkLeast = 30 * time.Second, 4 * time.Second
)

// slower is how many times slower than of late a peer may become without being taken for stuck.
const slower = 4

// stall is how long a peer may give no sign, if nothing else is known.
func (q *peer) stall() time.Duration {
	if q.local {
		return localStall
	}
	return uplinkStall
}

// sign takes note that a peer is sending.
func (q *peer) sign(now time.Time) {
	if !q.asked.IsZero() {
		q.delay = max(now.Sub(q.asked), q.delay-q.delay/8)
		q.asked = time.Time{}
	}
	q.alive = now
}

// patience is how long a peer may give no sign while another could give the same: two of its delays, which are no shorter than
// a round trip, beyond what is expected at the rate at which it has delivered.
func (p *Planner) patience(q *peer) time.Duration {
	most, least := q.stall(), localLeast
	if !q.local {
		least = uplinkLeast
	}
	rate, delay := p.manner(q)
	if rate == 0 {
		return most
	}
	sign := min(float64(p.largest)/rate, max(SignEvery.Seconds(), SignBytes/rate)) // seconds
	if sign *= slower; sign >= most.Seconds() {
		return most
	}
	return min(most, max(least, time.Duration(sign*float64(time.Second))+2*delay))
}

// manner is the rate and the delay of a peer; of one beyond the uplink that has not sent anything yet, those of the slowest and the
// latest that have. 0: nothing is known.
func (p *Planner) manner(q *peer) (rate float64, delay time.Duration) {
	if q.measured() {
		return q.rate, q.delay
	}
	if q.local || q.mirror || q.rate > 0 {
		return 0, 0
	}
	for _, r := range p.order {
		if r.measured() && !r.local && !r.mirror {
			delay = max(delay, r.delay)
			if rate == 0 || r.rate < rate {
				rate = r.rate
			}
		}
	}
	return rate, delay
}

func (q *peer) measured() bool { return q.rate > 0 && q.delay > 0 }

// stuck reports whether what was asked of a peer is to be asked of others.
func (p *Planner) stuck(q *peer, now time.Time) bool {
	if now.Sub(q.alive) >= q.stall() {
		return true
	}
	if now.Before(p.nextLook(q)) {
		return false
	}
	q.look = now.Add(localLeast) // it takes as long as the blob has chunks
	return p.replaceable(q, now)
}

// nextLook is when a peer may be found stuck, if another can give the same.
func (p *Planner) nextLook(q *peer) time.Time {
	if at := q.alive.Add(p.patience(q)); q.look.Before(at) {
		return at
	}
	return q.look
}

// replaceable reports whether another peer has something of what was asked of this one, at no greater cost. For a peer a mirror does not
// count: it comes last.
func (p *Planner) replaceable(q *peer, now time.Time) bool {
	return p.relieved(q, func(r *peer) bool { return p.stands(r, q, now) })
}

// dispensable is replaceable at whatever cost: by a peer beyond the uplink in a mate's place, and by a mirror.
func (p *Planner) dispensable(q *peer, now time.Time) bool {
	return p.relieved(q, func(r *peer) bool { return r.other(q, now) && !p.shut(r) })
}

// relieved reports whether another peer that may stand for this one has something of what was asked of it. One that is waited for in vain for
// as long does not count: then it is the link.
func (p *Planner) relieved(q *peer, may func(r *peer) bool) bool {
	return slices.ContainsFunc(p.order, func(r *peer) bool {
		return may(r) && (r.flight == 0 || r.alive.After(q.alive)) && p.covers(r, q)
	})
}

// other reports whether the peer is another, and can be asked for something.
func (r *peer) other(q *peer, now time.Time) bool {
	return r != q && r.trusted() && !now.Before(r.rest)
}

// stands reports whether a peer can be asked in the place of another, if it has what that was asked for.
func (p *Planner) stands(r, q *peer, now time.Time) bool {
	return r.other(q, now) && (r.local || !q.local) && (q.mirror || !r.mirror)
}

// covers reports whether a peer has something of what was asked of another.
func (p *Planner) covers(r, q *peer) bool {
	if r.all || r.count == 0 {
		return r.all
	}
	for at := range p.pieces {
		for _, run := range p.asked(q, &p.pieces[at]) {
			if r.has.count(run) > 0 {
				return true
			}
		}
	}
	return false
}
