package planner

import "time"

// Only the crew of a site ask other sites, and what one site has its crew has soon. So only they tell each other across sites what
// they have: it costs as much on a thin uplink as all else that is no chunk. A node of another site is known to be of its crew by that
// it wants to be told itself.

// news is who is to tell what it has.
type news struct {
	stale bool // it may be others than when it was last looked at
	crew  bool // this node was of the crew then
	wide  bool // nobody brought anything, and all were to tell
	since time.Time
	told  map[string]bool // scratch: sites that have one who tells
}

// hungry is when all are to tell, if those that do bring nothing; the zero time if this node asks nobody.
func (p *Planner) hungry() time.Time {
	if !p.news.crew || p.closed {
		return time.Time{}
	}
	return latest(p.fed, p.opened, p.news.since).Add(p.takeOver())
}

// listen finds out who of other sites is to tell what it has.
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
	told := p.telling()
	for _, q := range p.order {
		unsaid := q.far() && !q.all && !wide && (!n.crew || told[q.site] && !q.tells())
		switch {
		case unsaid == q.unsaid:
			continue
		case !unsaid:
			e.Listen = append(e.Listen, q.id)
		case q.flight > 0:
			n.stale = true
			continue
		default:
			e.Ignore = append(e.Ignore, q.id)
		}
		q.unsaid = unsaid
	}
}

// telling returns the other sites that have one who tells.
func (p *Planner) telling() map[string]bool {
	if p.news.told == nil {
		p.news.told = map[string]bool{}
	}
	clear(p.news.told)
	for _, q := range p.order {
		if q.tells() {
			p.news.told[q.site] = true
		}
	}
	return p.news.told
}

// tells reports whether the peer has what its site has, and says so.
func (q *peer) tells() bool { return q.far() && q.trusted() && (q.wants || q.all) }
