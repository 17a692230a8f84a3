package planner

import (
	"slices"
	"time"

	"selvage/internal/ident"
)

// MirrorPatience is how long no trusted peer has to offer a piece before a mirror is asked for it: in that time a crew that reaches
// nobody is followed by another, which may reach a peer, and whose first chunks have been told.
const MirrorPatience = TakeOver + joinTime + time.Second

// starveTime is how long peers may offer and give nothing before what they offer does not count against a mirror.
const starveTime = 2 * time.Minute

// Mirror adds a source that has every chunk and is no node. It lies beyond the uplink, and is asked last. Got, Alive,
// Failed and Bad are for it too. Adding it again changes nothing.
func (p *Planner) Mirror(id ident.NodeID, now time.Time) {
	if p.peers[id] != nil {
		return
	}
	p.PeerUp(id, "", now)
	q := p.peers[id]
	q.local, q.mirror, q.all = false, true, true
	p.mirrors++
	if p.fed.IsZero() {
		p.fed = now
	}
}

// far reports whether the peer is a node of another site.
func (q *peer) far() bool { return !q.local && !q.mirror }

var goodMirror = kind{may: func(q *peer) bool { return q.mirror && q.trusted() }}

// feed takes note of who gives. What mates give they may have from a mirror.
func (p *Planner) feed(q *peer, now time.Time) {
	if !q.mirror && !(q.local && q.wants) {
		p.fed = now
	}
}

// askMirrors asks mirrors for what is left to them and is this node's duty. Mates are waited for anew once something is:
// before, they had nothing to bring. A mirror that failed is asked by askLast.
func (p *Planner) askMirrors(now time.Time, e *Effects) {
	if p.mirrors == 0 || p.closed {
		return
	}
	p.forsake(now)
	if p.forlorn.IsZero() {
		return
	}
	p.assign(p.crew(p.forlorn, now))
	p.heed(p.forlorn, now)
	p.askInTurn(&p.sets.left, p.able(goodMirror, now), now, e)
}

// lookEvery is how often it is looked at which pieces are left to mirrors.
const lookEvery = time.Second

// forsake finds out which pieces are left to mirrors, and when to look again. As long as a mate brings something, all
// is left to that mate, which may reach a peer that this node does not: but by one that has begun with mirrors too.
func (p *Planner) forsake(now time.Time) {
	hope, starved := p.hope(), now.Sub(p.fed) >= starveTime
	if due := p.looked.Add(lookEvery); now.Before(due) && now.Before(p.mirrorAt) && starved == p.starved {
		p.mirrorAt = sooner(due, p.mirrorAt, now)
		return
	}
	p.looked, p.starved = now, starved
	next, some := p.fed.Add(starveTime), false
	for at := range p.pieces {
		pc := &p.pieces[at]
		if pc.missing == 0 {
			pc.forsaken = false
			continue
		}
		due := p.forsakes(pc, hope, now)
		some = some || pc.forsaken
		next = sooner(due, next, now)
	}
	p.mirrorAt = next
	if !some {
		p.forlorn = time.Time{}
	} else if p.forlorn.IsZero() {
		p.forlorn = now
	}
}

// forsakes finds out whether a piece is left to mirrors, and returns when it is, if that is known.
func (p *Planner) forsakes(pc *piece, hope, now time.Time) (due time.Time) {
	before := pc.forsaken
	if !p.starved && p.promised(pc) {
		pc.bare, pc.forsaken = time.Time{}, false
	} else {
		if pc.bare.IsZero() {
			pc.bare = now
		}
		if due = pc.bare.Add(MirrorPatience); p.forlorn.IsZero() && hope.After(due) {
			due = hope
		}
		pc.forsaken = !due.After(now)
	}
	if pc.forsaken != before {
		p.sort(pc)
	}
	return due
}

// sooner returns a if that is still to come, and before b; else b.
func sooner(a, b, now time.Time) time.Time {
	if a.After(now) && a.Before(b) {
		return a
	}
	return b
}

// hope is until when mates are expected to bring something.
func (p *Planner) hope() (until time.Time) {
	for _, q := range p.order {
		if at := q.progress.Add(MirrorPatience); q.mate() && !q.vow.broken && at.After(until) {
			until = at
		}
	}
	return until
}

// promised reports whether a trusted peer offers something of the piece, or was asked for it.
func (p *Planner) promised(pc *piece) bool {
	if p.offered(pc) != (offers{}) {
		return true
	}
	if pc.missing == pc.idle {
		return false
	}
	return slices.ContainsFunc(p.chunks[pc.first:pc.first+pc.count], func(c chunk) bool {
		return c.from != nil && !c.from.mirror && c.from.trusted()
	})
}
