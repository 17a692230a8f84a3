package planner

import "time"

// At the end of a blob, what a peer of another site is late with is moved to one that would have it tailSooner times sooner, and
// tailLeast before.
const (
	tailSooner = 4
	tailLeast  = 10 * time.Second
)

// dawdles reports whether all that is still missing was asked for, by this node or a mate, and another peer of other sites would bring what
// this one was asked for so much sooner that it is worth the part of a chunk that may come twice. Until then one that gives little takes
// nobody's place; and a mate that has it is asked too: see hedge.go.
func (p *Planner) dawdles(q *peer, now time.Time) bool {
	if p.idle > p.claims || q.local {
		return false
	}
	looked := now.Before(q.look)
	for _, r := range p.order {
		if r == q || r.rate == 0 || !p.stands(r, q, now) || r.local {
			continue
		}
		switch need := tailLeast + tailSooner*p.after(r, q, now); {
		case q.remaining(now) < need:
			p.hedgeNext(q.active.Add(need))
		case looked:
			p.hedgeNext(q.look)
		case p.covers(r, q):
			return true
		default:
			q.look = now.Add(localLeast) // it takes as long as the blob has chunks
		}
	}
	return false
}

// after is how long a peer would take for all that another was asked for, after what it was asked for itself, if it is no faster than what
// has come since its last chunk tells.
func (p *Planner) after(r, late *peer, now time.Time) time.Duration {
	rate := r.rate
	if r.flight > 0 {
		rate = min(rate, float64(p.largest)/max(now.Sub(r.active).Seconds(), 1e-3))
	}
	return r.delay + seconds(float64(r.bytes+late.bytes)/rate)
}
