package planner

import (
	"cmp"
	"slices"
	"time"

	"selvage/internal/mutant"
)

// Only the crew of a site ask other sites, and what one site has its crew has soon. So only they tell each other across sites what
// they have: told by all to all it was 1% of what crossed a thin uplink. A node of another site is known to be of its crew by that it
// wants to be told itself.

// news is who is to tell what it has.
type news struct {
	stale bool // it may be others than when it was last looked at
	crew  bool // this node was of the crew then
	wide  bool // nobody brought anything, and all were to tell
	since time.Time
	// Scratch: who of each other site tells, and of whom they are chosen.
	tellers map[string]*peer
	far     []*peer
}

// hungry is when all are to tell, if those that do bring nothing; the zero time if this node asks nobody.
func (p *Planner) hungry() time.Time {
	if !p.news.crew || p.closed {
		return time.Time{}
	}
	return latest(p.fed, p.opened, p.news.since).Add(p.takeOver())
}

// listen finds out who of other sites is to tell what it has. Who is to tell no more is told so once it has sent what it was asked for. Who is not
// of the crew is told nothing by seeds either, which deal the blob out among those whom they tell.
func (p *Planner) listen(now time.Time, e *Effects) {
	n := &p.news
	if p.crewed.self != n.crew {
		n.crew, n.since, n.stale = p.crewed.self, now, true
	}
	wide := n.crew && !now.Before(p.hungry())
	if p.closed || p.hears(now) || !n.stale && wide == n.wide {
		return
	}
	n.stale, n.wide = false, wide
	p.choose(now)
	p.cover(wide)
	for _, q := range p.order {
		teller := n.tellers[q.site]
		q.spared = q.far() && !wide && (!n.crew || q.covered || !q.all && teller != nil && q != teller)
		switch {
		case q.spared && !q.silent && q.flight > 0:
			n.stale = true
		case q.spared && !q.silent:
			e.Ignore = append(e.Ignore, q.id)
			q.silent = true
		case !q.spared && q.silent && !mutant.On(mutant.DeafHeir):
			e.Listen = append(e.Listen, q.id)
			q.silent = false
		}
	}
}

// choose finds out who of each other site tells this node what that site has: of those who want to be told themselves each of the
// crew takes another, by rank, so that two sites do not tell each other all twice. One that failed, and rests, is none.
func (p *Planner) choose(now time.Time) {
	n := &p.news
	if n.tellers == nil {
		n.tellers = map[string]*peer{}
	}
	clear(n.tellers)
	n.far = n.far[:0]
	for _, q := range p.order {
		if q.far() && q.trusted() && q.wants && !q.all && !now.Before(q.rest) {
			n.far = append(n.far, q)
		}
	}
	slices.SortFunc(n.far, func(a, b *peer) int { return cmp.Or(cmp.Compare(a.site, b.site), byRank(a, b)) })
	place := 0
	for _, q := range p.crewed.mates {
		place += kindOf(q.rank > p.rank)
	}
	for at := 0; at < len(n.far); {
		end := at
		for end < len(n.far) && n.far[end].site == n.far[at].site {
			end++
		}
		n.tellers[n.far[at].site] = n.far[at+place%(end-at)]
		at = end
	}
}
