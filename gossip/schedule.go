package gossip

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	openTimeout  = 10 * time.Second
	sessionLimit = 10 * time.Minute // 16 MiB each way take that at 56 kB/s
	minRounds    = 4                // sessions in a row with a peer while they bring something new
	maxRounds    = 16               // the same if a session hit its bound
	firstRetry   = time.Second      // after a failed session; doubles up to the pace
)

// schedule initiates sessions, one at a time: what one brings need not be fetched by the next.
func (r *Replicator) schedule() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p, wait := r.due()
		if p != nil {
			r.sync(p)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-r.wake:
		case <-r.ctx.Done():
			return
		}
	}
}

// due returns the peer whose session is most overdue, or how long there is none.
func (r *Replicator) due() (*peer, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, time.Hour
	}
	now := time.Now()
	var first *peer
	for id, p := range r.peers {
		if until := r.ignoredUntil(id); until.After(p.next) {
			p.next = until
		}
		if first == nil || p.next.Before(first.next) || p.next.Equal(first.next) && p.id.Compare(first.id) < 0 {
			first = p
		}
	}
	switch {
	case first == nil:
		return nil, time.Hour
	case first.next.After(now):
		return nil, first.next.Sub(now)
	}
	first.dirty = false
	first.next = now.Add(r.pace(first)) // so that a Kick or a lost push during the session counts
	return first, 0
}

// sync runs sessions with a peer for as long as they bring something new, within bounds.
func (r *Replicator) sync(p *peer) {
	var res result
	var err error
	more := true
	for round := 0; more && err == nil && round < maxRounds; round++ {
		res, err = r.initiate(p, round)
		more = res.More || res.Stored > 0 && round+1 < minRounds
	}
	if p.ctx.Err() != nil {
		return
	}
	if err != nil {
		r.cfg.Logger.Debug("sync failed", "peer", p.id, "err", err)
		r.blame(p.id, err)
		r.retry(p)
		return
	}
	r.finished(p, res)
}

// retry has a peer tried again after a while.
func (r *Replicator) retry(p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.dirty = true
	p.failures++
	wait := min(firstRetry<<min(p.failures-1, 10), r.pace(p))
	p.next = time.Now().Add(wait/2 + rand.N(wait))
}

// finished notes a session that ran to its end, whoever began it. The next is a pace away, unless
// a push was lost meanwhile or the session could not hold everything.
func (r *Replicator) finished(p *peer, res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remember(p.id)
	p.failures = 0
	if !p.dirty && !res.More && p.next.After(time.Now()) {
		p.next = time.Now().Add(r.pace(p))
	}
	if res.More {
		p.next = time.Now().Add(firstSync)
	}
}

// pace returns the time to a peer's next session, with a quarter of jitter either way.
func (r *Replicator) pace(p *peer) time.Duration {
	d := r.cfg.UplinkPace
	if p.local {
		d = r.cfg.LocalPace
	}
	return d*3/4 + rand.N(d/2)
}

// markDirty has a session with a peer run soon, as a push to it was lost.
func (r *Replicator) markDirty(p *peer) {
	r.mu.Lock()
	if !p.dirty {
		p.dirty = true
		if soon := time.Now().Add(firstRetry); p.next.After(soon) {
			p.next = soon
		}
	}
	r.mu.Unlock()
	r.poke()
}

// initiate opens a stream to a peer and runs one session on it.
func (r *Replicator) initiate(p *peer, round int) (result, error) {
	ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
	defer cancel()
	conn, err := r.cfg.Network.Open(ctx, p.id, syncProtocol)
	if err != nil {
		return result{}, err
	}
	_, _, release := r.attach(p, conn, sessionLimit)
	defer release()
	s := session{r: r, p: p, link: r.linkTo(p, conn)}
	if err := s.initiate(round > 0); err != nil {
		return result{}, err
	}
	return s.result, nil
}
