package planner

import (
	"slices"
	"sort"
	"time"

	"selvage/internal/ident"
)

// tellAgain is how often a node says again what it is getting, while something of it comes in.
const tellAgain = 2 * time.Second

// maxClaims bounds the runs that a mate claims; those beyond are passed over.
const maxClaims = 1024

// maxFlight is how many runs, as they were asked for, are kept before those that came are let go.
const maxFlight = 256

// PeerTakes notes what a local peer is getting over the uplink now: runs that ascend and do not overlap. What it said
// before counts no more. It is told again and again while it comes in, on a link on which a chunk takes long.
func (p *Planner) PeerTakes(id ident.NodeID, runs []Run, now time.Time) {
	q := p.peers[id]
	if q == nil || !q.local {
		return
	}
	q.claims, p.unheeded = q.claims[:0], true
	lacking := 0
	for _, r := range runs[:min(len(runs), maxClaims)] {
		if r.Count = min(r.Count, len(p.chunks)-r.First); r.Count > 0 {
			q.claims = append(q.claims, r)
			lacking += p.lacking(r)
		}
	}
	q.vow.claim(lacking, p.takeOver(), now)
	if lacking > 0 && !q.vow.broken {
		q.progress = now
	}
}

// Believes reports whether a local peer says that it is getting something over the uplink that the site has not, and is believed.
func (p *Planner) Believes(id ident.NodeID) bool {
	q := p.peers[id]
	return q != nil && q.mate() && !q.vow.broken && !q.vow.said.IsZero()
}

// heed finds out what mates are getting that brought something not long ago, or said that they were getting it. Nothing could be
// brought before since. One that does not keep its word is heeded no more.
func (p *Planner) heed(since, now time.Time) {
	keen := p.keen(since, now)
	if !slices.Equal(keen, p.heeded) {
		p.heeded, p.unheeded = keen, true
	}
	patience := p.takeOver()
	for _, q := range keen {
		p.unheeded = q.vow.breaks(patience, now) || p.unheeded
	}
	if !p.unheeded {
		return
	}
	p.unheeded = false
	p.eachTaken(func(pc *piece) { pc.claimed = 0 })
	p.taken, p.claims = p.taken[:0], 0
	for _, q := range keen {
		if !q.vow.broken {
			p.taken = append(p.taken, q.claims...)
		}
	}
	p.taken = merged(p.taken)
	for _, r := range p.taken {
		for i := r.First; i < r.First+r.Count; i++ {
			if c := &p.chunks[i]; !c.have && c.from == nil {
				p.pieces[p.of[i]].claimed++
				p.claims++
			}
		}
	}
	p.eachTaken(func(*piece) {})
}

// keen returns the mates that brought something not long ago.
func (p *Planner) keen(since, now time.Time) (keen []*peer) {
	patience := p.takeOver()
	for _, q := range p.order {
		if q.mate() && now.Sub(latest(q.progress, since)) < patience {
			keen = append(keen, q)
		}
	}
	return keen
}

// eachTaken makes a change to each piece of which mates are getting something.
func (p *Planner) eachTaken(f func(pc *piece)) {
	next := 0
	for _, r := range p.taken {
		for at := max(next, p.of[r.First]); at <= p.of[r.First+r.Count-1]; at++ {
			f(&p.pieces[at])
			p.sort(&p.pieces[at])
			next = at + 1
		}
	}
}

// lacking counts the chunks of a run that the site has not.
func (p *Planner) lacking(r Run) (n int) {
	for i := r.First; i < r.First+r.Count; i++ {
		n += kindOf(p.lacks(i))
	}
	return n
}

// lacks reports whether the site has not got a chunk: who only says that it has it, and gives nothing, does not count.
func (p *Planner) lacks(i int) bool {
	c := &p.chunks[i]
	return !c.have && (c.locals == 0 || !slices.ContainsFunc(p.ranks, func(q *peer) bool { return q.trusted() && q.has.has(i) }))
}

// merged returns the runs in order, those that touch as one. It reuses their room.
func merged(runs []Run) []Run {
	slices.SortFunc(runs, func(a, b Run) int { return a.First - b.First })
	out := runs[:0]
	for _, r := range runs {
		if k := len(out) - 1; k >= 0 && out[k].First+out[k].Count >= r.First {
			out[k].Count = max(out[k].Count, r.First+r.Count-out[k].First)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// claimedOf counts the chunks of a run that mates are getting.
func (p *Planner) claimedOf(r Run) (n int) {
	for i := r.First; i < r.First+r.Count; i++ {
		n += kindOf(p.claimed(i))
	}
	return n
}

// claimed reports whether a mate is getting a chunk.
func (p *Planner) claimed(i int) bool {
	k := sort.Search(len(p.taken), func(k int) bool { return p.taken[k].First+p.taken[k].Count > i })
	return k < len(p.taken) && p.taken[k].First <= i
}

// Taking returns what was asked of other sites and has not come: runs that ascend.
func (p *Planner) Taking() []Run {
	var out []Run
	for _, r := range p.flight {
		for i := r.First; i < r.First+r.Count; i++ {
			if c := &p.chunks[i]; c.from != nil && !c.from.local {
				out = append(out, Run{i, 1})
			}
		}
	}
	p.flight = merged(out)
	return slices.Clone(p.flight)
}
