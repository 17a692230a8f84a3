package gossip

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	openTimeout  = 10 * time.Second
	sessionLimit = 10 * time.Minute // 16 MiB each way take that at 56 kB/s
	minRounds    = 4                // sessions that left nothing out, in a row with a peer while they bring something new
	maxRounds    = 16               // sessions in a row in any case
	firstRetry   = time.Second      // after a failed session; doubles up to the pace,
	matesRetry   = 10 * time.Second // or up to this within the site: what had failed there, a disk that was full, may long work again
	maxPeeks     = 2                // after which a session is a whole one
	peekAgain    = 3 * time.Second  // between them, with half of it as jitter either way
	smallSite    = 6                // nodes of a site; in a larger one each has fewer sessions across the edge
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
	wake := now.Add(time.Hour)
	for id, p := range r.peers {
		if p.relent(now); !p.mercy.IsZero() && p.mercy.Before(wake) {
			wake = p.mercy
		}
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
		return nil, min(first.next.Sub(now), wake.Sub(now))
	}
	first.dirty = false
	first.next = now.Add(r.pace(first)) // so that a Kick or a lost push during the session counts
	return first, 0
}

// sync runs sessions with a peer for as long as they bring something new, within bounds. Unless there
// is a reason to think that the peer lacks something, they begin with a peek.
func (r *Replicator) sync(p *peer) {
	begun := time.Now()
	r.mu.Lock()
	whole, waited := p.whole && !(p.fresh && r.rest() > 0 && r.met.enough(p.before, p.local)), p.peeks == maxPeeks
	p.whole, p.fresh = false, false
	r.mu.Unlock()
	if !whole && r.defers(p) {
		return
	}
	if !whole && !waited {
		r.peek(p)
		return
	}
	res, news, err := r.rounds(p)
	if p.ctx.Err() != nil {
		return
	}
	if err != nil {
		r.failed(p, err)
		return
	}
	r.finished(p, res, begun)
	if waited && news && !p.local {
		r.graft(p)
	}
}

// rounds runs sessions with a peer for as long as they leave something out, and as they bring something new. It returns the last one's result, and whether any
// brought something.
func (r *Replicator) rounds(p *peer) (res result, news bool, err error) {
	much, fresh := false, false
	for round, whole := 0, 0; round < maxRounds; round++ {
		if res, err = r.initiate(p, round); err != nil {
			return res, news, err
		}
		fresh, much = fresh || res.Stored > 0, much || res.More
		news = news || fresh
		if res.More {
			continue
		}
		if whole++; !fresh || whole == minRounds {
			break
		}
		fresh = false
	}
	if much && !news && !(res.More && res.Moved) {
		r.tire(p)
	}
	return res, news, nil
}

// peek compares roots with a peer. If they are different, something may be on its way to one of them:
// only when that has had its time are marks compared.
func (r *Replicator) peek(p *peer) {
	begun := time.Now()
	same, err := r.compareRoots(p)
	switch {
	case p.ctx.Err() != nil:
	case err != nil:
		r.failed(p, err)
	case same:
		r.finished(p, result{Same: true}, begun)
	default:
		r.mu.Lock()
		p.peeks++
		if !p.whole { // else a session has become due meanwhile
			p.next = time.Now().Add(r.rest() + peekAgain/2 + rand.N(peekAgain))
		}
		r.mu.Unlock()
	}
}

func (r *Replicator) failed(p *peer, err error) {
	r.cfg.Logger.Debug("sync failed", "peer", p.id, "err", err)
	r.blame(p.id, err)
	r.retry(p)
}

// retry has a peer tried again after a while.
func (r *Replicator) retry(p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.dirty, p.whole, p.fresh = true, true, false
	p.failures++
	wait := min(firstRetry<<min(p.failures-1, 10), r.pace(p))
	if p.local {
		wait = min(wait, matesRetry)
	}
	p.next = time.Now().Add(wait/2 + rand.N(wait))
}

// finished notes a session that ran to its end, whoever began it. The next is a pace away, unless
// a push was lost meanwhile, the session could not hold everything, or another became due after it had begun.
func (r *Replicator) finished(p *peer, res result, begun time.Time) {
	if !res.More {
		r.cfg.Synced(p.id, p.local)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	p.failures, p.peeks, p.deferred = 0, 0, 0
	if res.Stored > 0 || res.Same {
		p.vain = 0
	}
	if !res.More {
		r.met.note(p.local)
	}
	if !p.dirty && !res.More && (p.next.After(now) || p.next.Before(begun)) {
		p.next, p.whole = now.Add(r.pace(p)), false
	}
	if res.More {
		wait := min(firstSync<<min(p.vain, 10), r.pace(p))
		p.next, p.whole, p.fresh = now.Add(wait), true, false
	}
}

// tire notes that sessions with a peer have gone through all that there is, or got no further, and have brought neither side anything: both hold what the
// other cannot take, or not yet. What has more to send then comes later each time, until the slow pace, whoever begins it; else two such
// peers would send each other the same at full speed.
func (r *Replicator) tire(p *peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.vain++
}

// pace returns the time to a peer's next session, with three quarters of jitter either way, so that
// those with several peers do not come together. A node has as
// many sessions however many peers it has, and a large site has not many more across its edge than a
// small one: it shares what any of them brings. The caller holds r.mu.
func (r *Replicator) pace(p *peer) time.Duration {
	far := 0
	for _, o := range r.peers {
		if !o.local {
			far++
		}
	}
	mates := len(r.peers) - far
	d := r.cfg.LocalPace * time.Duration(max(1, mates))
	if !p.local {
		d = r.cfg.UplinkPace * time.Duration(max(1, far)*max(smallSite, mates+1)) / smallSite
	}
	return d/4 + rand.N(d*3/2)
}

// markDirty has a session with a peer run soon, as a push to it was lost.
func (r *Replicator) markDirty(p *peer) {
	r.mu.Lock()
	p.soil()
	r.mu.Unlock()
	r.poke()
}

// soil is markDirty for who holds r.mu, and pokes r afterwards.
func (p *peer) soil() {
	if p.dirty {
		return
	}
	p.dirty, p.whole, p.fresh = true, true, false
	p.hasten(firstRetry)
}

// hasten has the next session run after d at the latest. The caller holds r.mu, and pokes r afterwards.
func (p *peer) hasten(d time.Duration) {
	if soon := time.Now().Add(d); p.next.After(soon) {
		p.next = soon
	}
}

// initiate opens a stream to a peer and runs one session on it.
func (r *Replicator) initiate(p *peer, round int) (result, error) {
	s, release, err := r.open(p)
	if err != nil {
		return result{}, err
	}
	defer release()
	if err := s.initiate(round > 0); err != nil {
		return result{}, err
	}
	return s.result, nil
}

// compareRoots opens a stream to a peer and asks whether it has the same root.
func (r *Replicator) compareRoots(p *peer) (same bool, err error) {
	s, release, err := r.open(p)
	if err != nil {
		return false, err
	}
	defer release()
	return s.peek()
}

func (r *Replicator) open(p *peer) (*session, func(), error) {
	ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
	defer cancel()
	conn, err := r.cfg.Network.Open(ctx, p.id, syncProtocol)
	if err != nil {
		return nil, nil, err
	}
	_, _, release := r.attach(p, conn, sessionLimit)
	return &session{r: r, p: p, link: r.linkTo(p, conn)}, release, nil
}
