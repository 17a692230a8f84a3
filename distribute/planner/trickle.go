package planner

import (
	"time"

	"selvage/internal/ident"
)

// A local peer that in trickleTime gave less than TrickleRate, as one whose disk is dying does, and would take longer than trickleLeast for what
// it was asked for, is no better than none: no LAN is so slow that what is left were not worth its way over the uplink.
const (
	TrickleRate  = 16 << 10 // bytes a second
	trickleTime  = time.Minute
	trickleLeast = 5 * time.Minute
)

// trickle is what a local peer gave of late.
type trickle struct {
	since time.Time // when it was asked after being idle, or was looked at last
	bytes int64     // that came since
	waits bool      // it said meanwhile that it sends later
}

// due is when it is looked at next.
func (t trickle) due() time.Time {
	if t.waits {
		return t.since.Add(claimMost)
	}
	return t.since.Add(trickleTime)
}

// Held notes that what a peer sends waits for this node: that is as good as a sign of it, and how little comes is no fault of its.
func (p *Planner) Held(id ident.NodeID, now time.Time) {
	p.Alive(id, now)
	if q := p.peers[id]; q != nil {
		q.trickle = trickle{since: now}
	}
}

// trickles reports whether a local peer gives next to nothing, and another peer can give the same, at whatever cost.
func (p *Planner) trickles(q *peer, now time.Time) bool {
	if !q.local || now.Before(q.trickle.due()) {
		return false
	}
	rate := float64(q.trickle.bytes+p.largest) / now.Sub(q.trickle.since).Seconds() // a chunk may be on its way
	q.trickle = trickle{since: now}
	return rate < TrickleRate && seconds(float64(q.bytes)/rate) >= trickleLeast && p.dispensable(q, now)
}

// leave asks a peer for no more than what nobody else has, though a chunk comes now and then.
func (p *Planner) leave(q *peer, now time.Time) {
	p.Failed(q.id, now)
	p.change(q, func() { q.left = true })
}
