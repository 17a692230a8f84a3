package planner

import (
	"cmp"
	"slices"
)

// MaxShares bounds among how many sites a seed deals a blob out.
const MaxShares = 1 << 10

// Share is a part of a blob, as a seed deals it out: that of the Place-th of Of sites, in the order in which they began to ask.
type Share struct{ Place, Of int }

// Valid reports whether there is such a part.
func (s Share) Valid() bool { return 0 <= s.Place && s.Place < s.Of && s.Of <= MaxShares }

// Deal returns the share of the k-th of some sites.
func Deal(k, sites int) Share {
	of := max(1, min(sites, MaxShares))
	return Share{k % of, of}
}

// owners returns whose each of n pieces is, by its place in the order in which they are dealt out. The first site to ask is given all. Each
// later one is given what those before it would take last, so that what they have asked for by then stays theirs; and all are given as much.
func owners(n, sites int) []int {
	first := make([]int, n)
	for at := range first {
		first[at] = at
	}
	shares := [][]int{first}
	for k := 1; k < min(sites, n); k++ { // for those beyond nothing is left
		var given []int
		for i, share := range shares {
			keep := (n - i + k) / (k + 1)
			given = append(given, share[keep:]...)
			shares[i] = share[:keep]
		}
		slices.Sort(given)
		shares = append(shares, given)
	}
	owner := make([]int, n)
	for site, share := range shares {
		for _, at := range share {
			owner[at] = site
		}
	}
	return owner
}

// dealing is how a site deals the pieces out among some others.
type dealing struct {
	site  string
	of    int
	place []int // of each piece, in an order of that site's
	owner []int // by place
}

// dealing returns that by which this site takes the pieces, if it is the same.
func (p *Planner) dealing(site string, of int) *dealing {
	if d := p.trade.dealing; d != nil && d.site == site && d.of == of {
		return d
	}
	d := &dealing{site, of, make([]int, len(p.pieces)), owners(len(p.pieces), of)}
	for k, at := range p.shuffled(seed("site", []byte(site), p.cfg.Blob[:])) {
		d.place[at] = k
	}
	return d
}

// turn is when the site with a share takes a piece: its own first, and what falls to others from its end on.
func (d *dealing) turn(s Share, at int) int {
	n, place := len(d.place), d.place[at]
	if behind := (s.Place - d.owner[place] + s.Of) % s.Of; behind > 0 {
		return behind*n + n - 1 - place
	}
	return place
}

// shuffled returns all pieces, in an order that follows from the seed.
func (p *Planner) shuffled(seed uint64) []int {
	order := slices.Clone(p.lie)
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(rank(seed, a), rank(seed, b)), cmp.Compare(a, b)) })
	return order
}

// deal puts the pieces into the order in which this site takes them from a seed. Without one that order is the site's own, so that
// sites have something to give each other.
func (p *Planner) deal() {
	share, from := Share{0, 1}, p.cfg.Site
	for _, q := range p.order {
		if q.seeds() && q.share.Of > 0 {
			share, from = q.share, q.site
			break
		}
	}
	t := &p.trade
	d := p.dealing(from, share.Of)
	again := t.dealing != d || t.share != share
	if again {
		t.dealing, t.share = d, share
		order := slices.Clone(p.lie)
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(d.turn(share, a), d.turn(share, b)) })
		p.reorder(0, order)
	}
	for _, q := range p.order {
		if again {
			q.dealt = Share{}
		}
		if q.seeds() && q.dealt != q.share { // of the others, who may be many, nobody asks what they owe
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
	d, owed := p.dealing(q.site, q.share.Of), newTurns(len(p.pieces))
	q.owed = &owed
	for at := range p.pieces {
		owed.set(p.pieces[at].turns[0], d.owner[d.place[at]] == q.share.Place)
	}
}
