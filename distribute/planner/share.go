package planner

import (
	"cmp"
	"slices"
)

// MaxShares bounds among how many sites a seed deals a blob out.
const MaxShares = 1 << 10

// Share is a part of a blob: of all pieces, in an order that all know, every Of-th, from Place on.
type Share struct{ Place, Of int }

// Valid reports whether there is such a part.
func (s Share) Valid() bool { return 0 <= s.Place && s.Place < s.Of && s.Of <= MaxShares }

// Mark stands for a site where a blob is dealt out: it is given its share by the order of marks.
func Mark(blob [32]byte, site string) uint64 { return seed("mark", []byte(site), blob[:]) }

// Deal returns the share of one of some sites, as a seed gives them. Their marks ascend.
func Deal(marks []uint64, mark uint64) Share {
	of := min(len(marks), MaxShares)
	k, _ := slices.BinarySearch(marks, mark)
	return Share{k % max(1, of), max(1, of)}
}

// turn is when a site with a share takes a piece, of n: its own first, and what falls to others from its end on,
// beginning with those that would be its own if the site to which they fell were not there. A site that knows of
// no others has an order of its own, since there may be some.
func (p *Planner) turn(s Share, pc *piece) int {
	n := len(p.pieces)
	if s.Of == 1 {
		return p.alone[pc.index]
	}
	if behind := (s.Place - pc.place%s.Of + s.Of) % s.Of; behind > 0 {
		return behind*n + n - 1 - pc.place
	}
	return pc.place
}

// place puts the pieces into the order in which they are dealt out.
func (p *Planner) place() {
	for k, at := range p.shuffled(seed("deal", p.cfg.Blob[:])) {
		p.pieces[at].place = k
	}
	p.alone = make([]int, len(p.pieces))
	for k, at := range p.shuffled(seed("site", []byte(p.cfg.Site), p.cfg.Blob[:])) {
		p.alone[at] = k
	}
}

// shuffled returns all pieces, in an order that follows from the seed.
func (p *Planner) shuffled(seed uint64) []int {
	order := slices.Clone(p.lie)
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(rank(seed, a), rank(seed, b)), cmp.Compare(a, b)) })
	return order
}

// deal puts the pieces into the order in which this site takes them from a seed.
func (p *Planner) deal() {
	share := Share{0, 1}
	for _, q := range p.order {
		if q.seeds() && q.share.Of > 0 {
			share = q.share
			break
		}
	}
	again := p.trade.share != share
	if again {
		p.trade.share = share
		order := slices.Clone(p.lie)
		turn := func(at int) int { return p.turn(share, &p.pieces[at]) }
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(turn(a), turn(b)) })
		p.reorder(0, order)
	}
	for _, q := range p.order {
		if again || q.dealt != q.share {
			p.owe(q)
		}
	}
}

// owe finds out which pieces a peer gives to this site.
func (p *Planner) owe(q *peer) {
	q.dealt, q.owed = q.share, nil
	if q.share.Of == 0 {
		return
	}
	owed := newTurns(len(p.pieces))
	q.owed = &owed
	for at := range p.pieces {
		pc := &p.pieces[at]
		owed.set(pc.turns[0], pc.place%q.share.Of == q.share.Place)
	}
}
