package planner

import "time"

// rarities is how many classes of pieces there are by how many local peers offer them: the last is of those that are offered by rarities-1 and by
// more, none of which is rare.
const rarities = 16

// What a piece with idle chunks, which no local peer offers, is beyond the uplink. To the first two it is added whether
// other sites have something of it that get the blob too.
const (
	farMine   = 0 // this node's duty
	farHelped = 2 // the duty of a mate that this node helps
	farRare   = 4 // the duty of others, and only seeds have it
	farLast   = 5 // this node's duty, and no trusted peer offers it
	farSets   = 6
	none      = -1
)

// sets is all pieces with idle chunks, by what may be done about them: so that Next finds them without a look at all others.
type sets struct {
	near [rarities]turns // by how many trusted local peers offer them, which have not all
	bare turns           // those that no trusted peer offers, or that are left to mirrors
	far  [farSets]turns  // what no local peer offers
	left turns           // what is left to mirrors and is this node's duty

	// The pieces by their turn: in far and left that of the site, in near and bare that of this node.
	order [2][]int
	own   bool  // the latter is p.own, else as they lie
	stale bool  // something has changed that is of all pieces
	mine  int64 // bytes that are this node's to ask other sites for
}

func newSets(pieces int) sets {
	s := sets{bare: newTurns(pieces), left: newTurns(pieces)}
	for k := range s.near {
		s.near[k] = newTurns(pieces)
	}
	for k := range s.far {
		s.far[k] = newTurns(pieces)
	}
	return s
}

// sort puts a piece where it belongs, after a change of it.
func (p *Planner) sort(pc *piece) {
	s, site, own := &p.sets, pc.turns[0], pc.turns[1]
	if pc.forsaken && !p.starved && p.offered(pc) != (offers{}) {
		pc.bare, pc.forsaken = time.Time{}, false
	}
	near, far := p.nearSet(pc), p.farSet(pc)
	if near != pc.near {
		if pc.near != none {
			s.near[pc.near].set(own, false)
		}
		if pc.near = near; near != none {
			s.near[near].set(own, true)
		}
	}
	if far != pc.far {
		if pc.far != none {
			s.far[pc.far].set(site, false)
		}
		if pc.far = far; far != none {
			s.far[far].set(site, true)
		}
	}
	s.bare.set(own, pc.idle > 0 && (pc.forsaken || p.offered(pc) == offers{}))
	s.left.set(site, pc.idle > 0 && pc.forsaken && pc.before == 0)
	s.mine -= pc.mine
	if pc.mine = 0; far == farMine || far == farMine+1 {
		pc.mine = pc.idleBytes()
	}
	s.mine += pc.mine
}

func (p *Planner) nearSet(pc *piece) int {
	if pc.idle == 0 {
		return none
	}
	return min(pc.partly[1], rarities-1)
}

func (p *Planner) farSet(pc *piece) int {
	n := p.offered(pc)
	switch {
	case pc.idle == 0 || n[1] > 0:
		return none
	case n[0] == 0:
		if pc.before > 0 || pc.forsaken {
			return none
		}
		return farLast
	case pc.before == 0:
		return farMine + kindOf(p.traded(pc))
	case pc.before == 1:
		return farHelped + kindOf(p.traded(pc))
	case !p.traded(pc):
		return farRare
	}
	return none
}

// freshen sorts all pieces, if something has changed that is of all.
func (p *Planner) freshen() {
	if !p.sets.stale {
		return
	}
	p.sets.stale = false
	for at := range p.pieces {
		p.sort(&p.pieces[at])
	}
}

// reorder changes the turns of the pieces: those of this node, or of the site.
func (p *Planner) reorder(kind int, order []int) {
	s := &p.sets
	s.order[kind] = order
	for k := range s.near {
		s.near[k].clear()
	}
	for k := range s.far {
		s.far[k].clear()
	}
	s.bare.clear()
	s.left.clear()
	for turn, at := range order {
		p.pieces[at].turns[kind] = turn
	}
	for at := range p.pieces {
		pc := &p.pieces[at]
		pc.near, pc.far = none, none
		p.sort(pc)
	}
	for _, q := range p.order {
		if q.kind() == kind && !q.all {
			p.regive(q)
		}
	}
}

// regive finds out anew in which turns a peer has something.
func (p *Planner) regive(q *peer) {
	q.gives.clear()
	for at, n := range q.idle {
		if n > 0 {
			q.gives.set(p.pieces[at].turns[q.kind()], true)
		}
	}
}
