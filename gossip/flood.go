package gossip

import (
	"math/rand/v2"
	"time"
)

const (
	// floodRecords is how many new records within one Config.Rest, and floodSlack more, are a flood: a large fleet that starts, or reports
	// on a release.
	floodRecords = 16
	floodSlack   = time.Second
	// maxDeferred bounds how many sessions in a row are put off for a flood.
	maxDeferred = 6
)

// flood tells whether records pour in. It counts them by spans of time.
type flood struct {
	since time.Time // the beginning of the span
	count int       // of it
	rose  time.Time // when a span last came to floodRecords
}

// note counts records that were new to this node.
func (f *flood) note(records int, now time.Time, rest time.Duration) {
	if now.Sub(f.since) > rest+floodSlack {
		f.since, f.count = now, 0
	}
	if f.count += records; f.count >= floodRecords {
		f.rose = now
	}
}

// on reports whether there is one.
func (f *flood) on(now time.Time, rest time.Duration) bool {
	return now.Sub(f.rose) <= rest+floodSlack
}

// defers reports whether a session with a peer of another site that nobody has asked for is put off: where links rest, roots differ throughout a
// flood, and what sessions would bring is nearly all on its way. It puts off a few in a row only, as records may pour in for ever.
func (r *Replicator) defers(p *peer) bool {
	rest := r.rest()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if p.local || rest == 0 || p.deferred == maxDeferred || !r.flood.on(now, rest) {
		return false
	}
	p.deferred++
	p.next = now.Add(rest + peekAgain/2 + rand.N(peekAgain))
	return true
}
