package planner

import (
	"slices"
	"time"

	"selvage/internal/ident"
)

// Done reports whether every chunk is here.
func (p *Planner) Done() bool { return p.left == 0 }

// PeerUp adds a peer of a site. Adding it again changes nothing.
func (p *Planner) PeerUp(id ident.NodeID, site string, now time.Time) {
	if p.peers[id] != nil {
		return
	}
	q := &peer{id: id, seed: seed("duty", id[:], p.cfg.Blob[:]), site: site, local: site == p.cfg.Site, progress: now}
	q.has, q.idle, q.gives = newBitset(len(p.chunks)), make([]int16, len(p.pieces)), newTurns(len(p.pieces))
	if q.uplink = p.uplinks[site]; q.uplink == nil {
		q.uplink = &uplink{settles: p.cfg.Began.Add(dealTime)}
		p.uplinks[site] = q.uplink
	}
	p.peers[id], p.news.stale = q, true
	at, _ := slices.BinarySearchFunc(p.order, id, func(o *peer, id ident.NodeID) int { return o.id.Compare(id) })
	p.order = slices.Insert(p.order, at, q)
	if q.rank = crewRank(q.seed); q.local {
		at, _ := slices.BinarySearchFunc(p.ranks, q, byRank)
		p.ranks = slices.Insert(p.ranks, at, q)
		if q.vow = p.vows[id]; q.vow == nil {
			q.vow = &vow{}
			p.vows[id] = q.vow
		}
		if q.vow.broken {
			q.progress = time.Time{} // it has had its time
		}
	}
}

// PeerGone forgets a peer; what was asked of it may be asked of others.
func (p *Planner) PeerGone(id ident.NodeID) {
	q := p.peers[id]
	if q == nil {
		return
	}
	p.release(q)
	p.change(q, func() { q.banned = true }) // it counts no more
	for i := range p.chunks {
		if q.local && q.has.has(i) {
			p.chunks[i].locals--
		}
	}
	delete(p.peers, id)
	p.news.stale = true
	gone := func(o *peer) bool { return o == q }
	p.order, p.ranks = slices.DeleteFunc(p.order, gone), slices.DeleteFunc(p.ranks, gone)
}

// PeerWants notes whether a peer is fetching the blob. When it begins, it is given the time to
// bring something.
func (p *Planner) PeerWants(id ident.NodeID, wants bool, now time.Time) {
	q := p.peers[id]
	if q == nil {
		return
	}
	p.news.stale = p.news.stale || q.wants != wants
	if q.wants = wants; wants && !q.wanted {
		if q.wanted = true; !q.local || !q.vow.broken {
			q.progress = now
		}
	}
}

// PeerTold notes that a local peer has said what it has and is getting, since it was asked for that.
func (p *Planner) PeerTold(id ident.NodeID) {
	if q := p.peers[id]; q != nil {
		q.told = true
	}
}

// PeerShares notes what a peer that has all gives to this site before it gives it to others.
func (p *Planner) PeerShares(id ident.NodeID, s Share) {
	if q := p.peers[id]; q != nil && s.Valid() {
		q.share = s
	}
}

// PeerHas notes that a peer has a chunk; out of range it is passed over.
func (p *Planner) PeerHas(id ident.NodeID, i int, now time.Time) { p.PeerHasRun(id, Run{i, 1}, now) }

// PeerHasRun notes that a peer has a run of chunks; what is out of range is passed over.
func (p *Planner) PeerHasRun(id ident.NodeID, r Run, now time.Time) {
	q := p.peers[id]
	if q == nil {
		return
	}
	stop := min(r.First+r.Count, len(p.chunks))
	for i := max(0, r.First); i < stop; {
		pc := &p.pieces[p.of[i]]
		end := min(stop, pc.first+pc.count)
		if n := p.learn(q, i, end, now); n > 0 && !q.all {
			p.offer(q, pc, n)
			p.sort(pc)
		}
		i = end
	}
	if q.count == len(p.chunks) && !q.all {
		p.change(q, func() { q.all = true })
	}
}

// learn takes note of chunks of a peer, up to end, and returns how many of them are new and idle.
func (p *Planner) learn(q *peer, i, end int, now time.Time) (idle int) {
	for ; i < end; i++ {
		if q.has.has(i) {
			continue
		}
		c, brings := &p.chunks[i], q.local && p.lacks(i)
		q.has.flip(i)
		q.count++
		if q.local {
			if brings {
				q.progress = now
				if q.mate() {
					p.trade.came.brought += int64(p.cfg.Sizes[i])
				}
				p.unheeded = q.vow.bring(now) || p.unheeded
			}
			c.locals++
		}
		idle += kindOf(!c.have && c.from == nil)
	}
	return idle
}

// PeerHasAll notes that a peer has the whole blob.
func (p *Planner) PeerHasAll(id ident.NodeID, now time.Time) {
	if q := p.peers[id]; q != nil {
		p.change(q, func() { q.all = true })
		q.wants, q.progress = false, now
	}
}

// Got notes that a chunk is here, and who delivered it; the zero ID if it came another way.
func (p *Planner) Got(i int, from ident.NodeID, now time.Time) {
	c := &p.chunks[i]
	if q := p.peers[from]; q != nil {
		q.measure(int64(p.cfg.Sizes[i]), now)
		p.feed(q, now)
		switch size := int64(p.cfg.Sizes[i]); {
		case q.trader():
			p.trade.earn(size, now)
		case q.seeds():
			p.trade.came.seeded += size
		}
		p.news.stale = p.news.stale || q.rests > 0
		p.change(q, func() { q.rests = 0 })
	}
	if c.have {
		if q := p.peers[from]; q != nil && q.waste > 0 {
			q.waste--
		}
		return
	}
	c.decide(p.peers[from])
	if c.from != nil {
		p.settle(i)
	} else {
		p.setIdle(&p.pieces[p.of[i]], []Run{{i, 1}}, -1)
	}
	p.pieces[p.of[i]].missing--
	p.left--
	c.have = true
}

// measure smooths the rate over what comes between two moments.
func (q *peer) measure(n int64, now time.Time) {
	q.gathered += n
	q.trickle.bytes += n
	if d := now.Sub(q.active).Seconds(); d > 0 {
		r := float64(q.gathered) / d
		if q.rate == 0 {
			q.rate = r
		}
		q.rate += (r - q.rate) * min(1, d/2) // a constant of two seconds
		q.gathered = 0
	}
	q.active = now
	q.sign(now)
}

// Alive notes that a peer is sending, on a link on which a chunk takes long: it is to be called within SignEvery of
// the last chunk or call, if SignBytes came, else as soon as they have.
func (p *Planner) Alive(id ident.NodeID, now time.Time) {
	if q := p.peers[id]; q != nil {
		q.sign(now)
		p.feed(q, now)
		p.flown = p.flown || !q.local && now.Sub(p.told) >= tellAgain
	}
}

// Waits notes that a peer says that it sends what it was asked for later: that is as good as a sign of it for claimMost after what it
// sent last, and beyond that if nobody else can give the same, at whatever cost: else its words alone could keep a blob for ever from being
// got elsewhere.
func (p *Planner) Waits(id ident.NodeID, now time.Time) {
	switch q := p.peers[id]; {
	case q == nil:
	case now.Sub(q.active) < claimMost:
		p.Alive(id, now)
		q.trickle.waits = true
	case !p.dispensable(q, now):
		q.sign(now)
	}
}

// Failed notes that what was asked of a peer will not come; it rests, longer each time. A peer of
// which nothing was asked has not failed.
func (p *Planner) Failed(id ident.NodeID, now time.Time) {
	q := p.peers[id]
	if q == nil || q.flight+q.hedged == 0 {
		return
	}
	p.release(q)
	p.change(q, func() { q.rests++ })
	q.rest = now.Add(min(time.Second<<min(q.rests-1, 6), maxRest))
	p.news.stale = true
}

// Bad notes that a peer sent something else than it was asked for: it is not asked again.
func (p *Planner) Bad(id ident.NodeID) {
	if q := p.peers[id]; q != nil {
		p.release(q)
		p.change(q, func() { q.banned = true })
	}
}

// Lost notes that a chunk is not here after all.
func (p *Planner) Lost(i int) {
	c := &p.chunks[i]
	if !c.have {
		return
	}
	c.have = false
	p.pieces[p.of[i]].missing++
	p.left++
	p.setIdle(&p.pieces[p.of[i]], []Run{{i, 1}}, 1)
}
