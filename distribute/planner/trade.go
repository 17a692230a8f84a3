package planner

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// incomeTime is over how long it is looked at what other sites give.
const incomeTime = time.Second

// How many times sooner a seed must be than other sites to be asked for what is expected of them: for
// what nobody of them has yet, and for what somebody has.
const (
	eagerRare   = 6
	eagerTraded = 12
)

// hearTime is how long a node waits at first for what its mates say that they are getting.
const hearTime = 200 * time.Millisecond

// aheadBytes is what the one on duty may ask a peer for beyond its window before the one that helps it knows.
const aheadBytes = minPiece

// MaxShares bounds among how many sites a seed deals a blob out.
const MaxShares = 1 << 10

// Share is a part of a blob: of all pieces, in an order that all know, every Of-th, from Place on.
type Share struct{ Place, Of int }

// Valid reports whether there is such a part.
func (s Share) Valid() bool { return 0 <= s.Place && s.Place < s.Of && s.Of <= MaxShares }

// Deal returns the share of each of some sites, as a seed gives them. They ascend.
func Deal(sites []string, site string) Share {
	of := min(len(sites), MaxShares)
	k, _ := slices.BinarySearch(sites, site)
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

// trade is what is known of other sites that get the blob too.
type trade struct {
	share Share
	order []int // pieces, by their turn
	whole bool  // a trader has all by now

	income   float64 // bytes a second that traders gave, smoothed
	gathered int64   // bytes that came since that was last measured
	at       time.Time
	rare     int       // pieces that nobody has but seeds
	fewer    time.Time // when they were last others than before
	withheld bool      // a seed could be asked for more, and is not: it is expected of traders
}

// trader reports whether the peer is of another site and is getting the blob as this one is, or has got it so.
func (q *peer) trader(*piece) bool { return q.far() && q.trusted() && (!q.all || q.wanted) }

// seeds reports whether the peer is of another site and had the whole blob before this one began.
func (q *peer) seeds(*piece) bool { return q.far() && q.trusted() && q.all && !q.wanted }

// owes reports whether it is one that gives the piece to this site.
func (q *peer) owes(pc *piece) bool {
	return q.seeds(pc) && (q.share.Of == 0 || pc.place%q.share.Of == q.share.Place)
}

// dry reports whether the peer will soon have sent all that it was asked for.
func (q *peer) dry() bool { return q.bytes < q.window()/4 }

func (q *peer) dryTrader(pc *piece) bool { return q.dry() && q.trader(pc) }
func (q *peer) dryOwes(pc *piece) bool   { return q.dry() && q.owes(pc) }
func (q *peer) drySeed(pc *piece) bool   { return q.dry() && q.seeds(pc) }

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
	order := make([]int, len(p.pieces))
	for at := range order {
		order[at] = at
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(rank(seed, a), rank(seed, b)), cmp.Compare(a, b)) })
	return order
}

// deal puts the pieces into the order in which this site takes them from a seed.
func (p *Planner) deal() {
	share := Share{0, 1}
	for _, q := range p.order {
		if q.seeds(nil) && q.share.Of > 0 {
			share = q.share
			break
		}
	}
	t := &p.trade
	if t.share == share {
		return
	}
	t.share, t.order = share, t.order[:0]
	for at := range p.pieces {
		t.order = append(t.order, at)
	}
	turn := func(at int) int { return p.turn(share, &p.pieces[at]) }
	slices.SortFunc(t.order, func(a, b int) int { return cmp.Compare(turn(a), turn(b)) })
}

// earn takes note of what a trader gave.
func (t *trade) earn(n int64, now time.Time) {
	t.gathered += n
	d := now.Sub(t.at).Seconds()
	switch {
	case d <= 0:
	case t.income == 0: // the first of it
		t.income, t.gathered, t.at = float64(t.gathered)/incomeTime.Seconds(), 0, now
	default:
		t.income += (float64(t.gathered)/d - t.income) * min(1, d/incomeTime.Seconds())
		t.gathered, t.at = 0, now
	}
}

// wait is how many seconds traders will take for some bytes.
func (t *trade) wait(n int64, now time.Time) float64 {
	income := t.income
	if silent := now.Sub(t.at); silent > incomeTime {
		income *= incomeTime.Seconds() / silent.Seconds()
	}
	if income == 0 {
		return math.Inf(1)
	}
	return float64(n) / income
}

// askUplink asks other sites for the pieces that no local peer has and no mate is getting: those that are this
// node's duty, and if there is room for more, those of the mate that it helps.
func (p *Planner) askUplink(keen []*peer, now time.Time, e *Effects) {
	p.deal()
	p.trade.withheld = false
	if p.closed || !p.anyUsable(farPeer, now) || p.hears(now) {
		return
	}
	p.trade.whole = slices.ContainsFunc(p.order, func(q *peer) bool { return q.all && q.trader(nil) })
	p.free, p.others = p.free[:0], p.others[:0]
	for k, q := range keen {
		q.turn = k
	}
	for _, q := range p.order {
		q.next = append(q.next[:0], make([]int64, len(keen))...)
	}
	rare := 0
	for _, at := range p.trade.order {
		pc := &p.pieces[at]
		n := p.offered(pc)
		if n[0] == 0 || n[1] > 0 {
			continue
		}
		rare += kindOf(!p.traded(pc))
		if pc.idle == pc.claimed {
			continue
		}
		switch pc.before {
		case 0:
			p.free = append(p.free, pc)
		case 1:
			if p.spare(pc) {
				p.others = append(p.others, pc)
			}
		}
	}
	if rare != p.trade.rare {
		p.trade.rare, p.trade.fewer = rare, now
	}
	p.askTraders(p.free, (*peer).trader, now, e)
	p.askSeeds(p.free, (*peer).owes, now, e)
	slices.Reverse(p.others) // the one on duty begins at the other end
	p.askTraders(p.others, (*peer).dryTrader, now, e)
	p.askSeeds(p.others, (*peer).dryOwes, now, e)
	p.askSooner(now, e)
}

// spare reports whether the one on duty for a piece has enough else to ask for of everyone who has it. If not, it may have asked
// for the piece already, and will before this node: then it is counted as what it asks next, of the one of whom it asks for least.
// It is taken to be given as much at a time as this node is.
func (p *Planner) spare(pc *piece) bool {
	of := (*peer).seeds
	if p.traded(pc) {
		of = (*peer).trader
	}
	var least *peer
	turn, most := pc.duty.turn, 0
	for _, q := range p.order {
		n := q.idle[pc.index]
		if q.all {
			n = pc.idle
		}
		if n == 0 || !of(q, nil) {
			continue
		}
		if least == nil || q.next[turn]-q.window() < least.next[turn]-least.window() {
			least = q
		}
		most = max(most, n)
	}
	if least == nil || least.next[turn] >= least.window()+aheadBytes {
		return true
	}
	least.next[turn] += pc.bytes * int64(max(0, most-pc.claimed)) / int64(pc.count)
	return false
}

// hears reports whether local peers may still be about to say what they have, and are getting.
func (p *Planner) hears(now time.Time) bool {
	return now.Sub(p.cfg.Began) < hearTime && slices.ContainsFunc(p.order, func(q *peer) bool { return q.local })
}

// askTraders asks other sites that get the blob too for what they have of some pieces.
func (p *Planner) askTraders(some []*piece, of kind, now time.Time, e *Effects) {
	for _, pc := range some {
		if p.traded(pc) {
			p.askAll(pc, of, now, e)
		}
	}
}

// askSeeds asks seeds for those of some pieces that nobody else gives.
func (p *Planner) askSeeds(some []*piece, of kind, now time.Time, e *Effects) {
	for _, pc := range some {
		if !p.traded(pc) {
			p.askAll(pc, of, now, e)
		}
	}
}

// traded reports whether other sites that get the blob have something of the piece.
func (p *Planner) traded(pc *piece) bool { return pc.partly[0] > 0 || p.trade.whole }

// askSooner asks seeds for what is expected of other sites, if they would have delivered it long before those.
func (p *Planner) askSooner(now time.Time, e *Effects) {
	var expected int64
	for _, q := range p.order {
		if q.trader(nil) {
			expected += q.bytes
		}
	}
	for _, pc := range p.free {
		if pc.idle > pc.claimed {
			expected += pc.idleBytes()
		}
	}
	for _, traded := range []bool{false, true} {
		eager := float64(eagerRare)
		if traded {
			eager = eagerTraded
		}
		if traded && p.trade.rare > 0 && now.Sub(p.trade.fewer) < TakeOver {
			p.trade.withheld = true // the seed may go: each piece is to get out once first
			return
		}
		for _, pc := range p.free {
			if pc.idle == pc.claimed || p.traded(pc) != traded {
				continue
			}
			q := p.pick(pc, (*peer).drySeed, now)
			if q == nil {
				return
			}
			if q.backlog(pc)*eager >= p.trade.wait(expected, now) {
				p.trade.withheld = true
				return
			}
			expected -= pc.idleBytes()
			p.askAll(pc, (*peer).drySeed, now, e)
		}
	}
}

// idleBytes is about how much of the piece nobody was asked for, by this node or a mate.
func (pc *piece) idleBytes() int64 { return pc.bytes * int64(pc.idle-pc.claimed) / int64(pc.count) }
