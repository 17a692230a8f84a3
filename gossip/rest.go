package gossip

import (
	"math/rand/v2"
	"time"
)

const (
	// relayDelay is how long a record waits before it crosses the edge, at most: so that two who have
	// it from others do not send it to each other, and what comes together goes in one frame.
	relayDelay = 100 * time.Millisecond
	// localRest is the part of Config.Rest for which a record waits for others inside the site, where nothing is scarce.
	localRest = 32
	// knownLinks is how many links across its edge a node of a fleet that rests has before it takes another for one more way to what
	// it gets anyway.
	knownLinks = 2
)

// rest returns Config.Rest.
func (r *Replicator) rest() time.Duration {
	if r.cfg.Rest == nil {
		return 0
	}
	return r.cfg.Rest()
}

// gather waits until what there is to push to a peer may go; until is when the link has rested. What is urgent does not wait, nor what
// fills a frame.
// It reports whether the peer is still up.
func (r *Replicator) gather(p *peer, until time.Time) bool {
	rest := r.rest()
	wait := rest / localRest
	if !p.local {
		wait = max(0, time.Until(until), r.turn(p, rest)) + rand.N(relayDelay)
	}
	if p.queue.hurried() || wait == 0 {
		return p.ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.queue.hurry:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// turn returns how long a link is the other end's in a flood: both have new records all the time then, and much of what they have is the same.
func (r *Replicator) turn(p *peer, rest time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.flood.on(time.Now(), rest) {
		return 0
	}
	return time.Until(p.heard.Add(rest / 2))
}

// another reports whether a link across the edge is one more of many, in a fleet that rests: both ends get by other links what there
// is to know. Its first session is a peek then; else a node that comes into a large fleet, and meets a dozen of it within
// seconds, would have the same from all of them. The caller holds r.mu.
func (r *Replicator) another(local bool) bool {
	if local || r.rest() == 0 {
		return false
	}
	far := 0
	for _, p := range r.peers {
		if !p.local {
			far++
		}
	}
	return far >= knownLinks
}

// met counts the sessions that left nothing out.
type met struct{ near, far int }

func (m *met) note(local bool) {
	if local {
		m.near++
	} else {
		m.far++
	}
}

// enough reports whether a node of a fleet that rests has what a new peer may have: from others, before the peer's turn came. Then
// the first session with it is a peek, too.
func (m met) enough(before met, local bool) bool {
	if local {
		return m.near-before.near >= knownLinks
	}
	return m.far-before.far >= knownLinks
}
