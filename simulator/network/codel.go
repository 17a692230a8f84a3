package network

import (
	"math"
	"time"
)

// Parameters of RFC 8289, section 4.
const (
	codelTarget   = 5 * time.Millisecond
	codelInterval = 100 * time.Millisecond
)

// codel is the state of RFC 8289, section 5.2, under its names.
type codel struct {
	firstAbove time.Duration // when the delay will have been above the target for an interval; 0 if it is below
	dropNext   time.Duration
	count      int // drops since the dropping state was entered
	lastCount  int
	dropping   bool
}

// dequeue is the RFC's: it takes the first packet that may pass, and drops those before it.
func (q *pipe) dequeue(now time.Duration) *packet {
	c := &q.codel
	p, ok := q.doDequeue(now)
	switch {
	case c.dropping:
		c.dropping = ok
		for c.dropping && now >= c.dropNext {
			q.drop(p, now, QueueFull)
			c.count++
			if p, ok = q.doDequeue(now); ok {
				c.dropNext = c.law(c.dropNext)
			}
			c.dropping = ok
		}
	case ok:
		q.drop(p, now, QueueFull)
		p, _ = q.doDequeue(now)
		c.enter(now)
	}
	return p
}

// doDequeue takes a packet from the queue, and says whether it may be dropped: all have waited for
// longer than the target since an interval ago. A queue of less than a packet is never blamed.
func (q *pipe) doDequeue(now time.Duration) (p *packet, okToDrop bool) {
	c := &q.codel
	if p = q.pop(); p == nil || now-p.queued < codelTarget || q.queued <= q.link.MTU {
		c.firstAbove = 0
		return p, false
	}
	if c.firstAbove == 0 {
		c.firstAbove = now + codelInterval
		return p, false
	}
	return p, now >= c.firstAbove
}

// enter begins to drop, at the rate that controlled the queue the last time, if that is not long ago.
func (c *codel) enter(now time.Duration) {
	c.dropping = true
	delta := c.count - c.lastCount
	c.count = 1
	if delta > 1 && now-c.dropNext < 16*codelInterval {
		c.count = delta
	}
	c.dropNext = c.law(now)
	c.lastCount = c.count
}

// law is the control law: the next drop comes the sooner the more there were.
func (c *codel) law(t time.Duration) time.Duration {
	return t + time.Duration(float64(codelInterval)/math.Sqrt(float64(c.count)))
}
