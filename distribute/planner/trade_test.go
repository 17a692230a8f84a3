package planner

import (
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// Of pieces that are dealt out each has an owner, all sites are given as many, and who comes later takes of nobody what comes first to him.
func TestOwners(t *testing.T) {
	for _, n := range []int{1, 2, 7, 100, 257} {
		before := owners(n, 1)
		for sites := 1; sites <= 300; sites++ {
			owner, given := owners(n, sites), make([]int, sites)
			for at, o := range owner {
				given[o]++
				if o != before[at] && (o != sites-1 || slices.Contains(owner[at:], before[at])) {
					t.Fatalf("with the %d. site piece %d of %d goes from %d to %d", sites, at, n, before[at], o)
				}
			}
			if least, most := slices.Min(given), slices.Max(given); most-least > 1 {
				t.Errorf("%d pieces among %d sites: %v", n, sites, given)
			}
			before = owner
		}
	}
}

// traders is a planner of a node that knows a seed and a node of another site that fetches too.
func traders(share Share) (p *Planner, seed, trader ident.NodeID) { return tradersOf(1000, share) }

// tradersOf is traders of a blob of so many chunks.
func tradersOf(chunks int, share Share) (p *Planner, seed, trader ident.NodeID) {
	p = New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(chunks, 32<<10), Have: func(int) bool { return false }})
	now := time.Unix(1, 0)
	seed, trader = ident.NodeID{1}, ident.NodeID{2}
	p.PeerUp(seed, "origin", now)
	p.PeerHasAll(seed, now)
	p.PeerShares(seed, share)
	p.PeerUp(trader, "t", now)
	p.PeerWants(trader, true, now)
	return p, seed, trader
}

// drain gets all that a node asks a peer for, and returns the places of the pieces.
func drain(p *Planner, now time.Time, from ident.NodeID, e Effects) (places []int) {
	d := p.trade.dealing
	for _, r := range e.Requests {
		if r.Peer != from {
			continue
		}
		for _, run := range r.Runs {
			places = append(places, d.place[p.of[run.First]])
			for i := run.First; i < run.First+run.Count; i++ {
				p.Got(i, from, now)
			}
		}
	}
	return places
}

// mine reports whether a piece is of this site's share.
func (p *Planner) mine(place int) bool { return p.trade.dealing.owner[place] == p.trade.share.Place }

// What a seed gives to this site comes first, and then what others get last.
func TestShareFirst(t *testing.T) {
	p, seed, _ := traders(Share{1, 2})
	now, own, last := time.Unix(1, 0), true, -1
	for n := 0; !p.Done(); n++ {
		if n == 10_000 {
			t.Fatal("not done")
		}
		now = now.Add(100 * time.Millisecond)
		places := drain(p, now, seed, p.Next(now))
		for _, at := range places {
			switch mine := p.mine(at); {
			case mine && !own:
				t.Fatalf("place %d after another site's", at)
			case mine && at < last || !mine && !own && at > last:
				t.Fatalf("place %d after %d", at, last)
			case !mine:
				own = false
			}
			last = at
		}
	}
	if own {
		t.Error("all was this site's share")
	}
}

func TestTradedIsAskedOfTraders(t *testing.T) {
	now := time.Unix(1, 0)
	p, seed, trader := traders(Share{0, 2})
	for i := range 500 {
		p.PeerHas(trader, i, now)
	}
	asked := 0
	for _, r := range p.Next(now).Requests {
		for _, run := range r.Runs {
			if asked++; run.First < 500 == (r.Peer == seed) {
				t.Errorf("%v of %v, whose other site has the first 500", run, r.Peer)
			}
		}
	}
	if asked == 0 {
		t.Error("nothing was asked")
	}
}

// While there is a piece that only the seed has, it is not asked for what another site has; unless nothing gets on.
func TestRareFirst(t *testing.T) {
	p, seed, trader := traders(Share{0, 1})
	now, mate := time.Unix(1, 0), ident.NodeID{3}
	p.PeerUp(mate, "s", now)
	p.PeerWants(mate, true, now)
	p.assign(p.crew(p.opened, now))
	traded, taken := map[int]bool{}, []Run{}
	for i := range p.chunks {
		if traded[i] = p.pieces[p.of[i]].before == 0; traded[i] {
			p.PeerHas(trader, i, now) // and gives nothing
		} else {
			taken = append(taken, Run{i, 1}) // by the mate
		}
	}
	began := now
	for ; now.Sub(began) < 4*TakeOver; now = now.Add(100 * time.Millisecond) {
		p.PeerTakes(mate, taken, now)
		for _, r := range p.Next(now).Requests {
			if r.Peer != seed {
				continue
			}
			if traded[r.Runs[0].First] {
				if waited := now.Sub(began); waited < TakeOver {
					t.Errorf("the seed is asked for what another site has after %v", waited)
				}
				return
			}
			drain(p, now, seed, Effects{Requests: []Request{r}})
		}
	}
	t.Error("the seed is never asked for what the other site does not give")
}

// A node leaves to the mate on duty what that can ask for at once: single chunks that another site has just got, though they
// are of many pieces.
func TestHelperLeavesSingleChunks(t *testing.T) {
	now := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(1000, 32<<10), Have: func(int) bool { return false }})
	mate, trader := ident.NodeID{1}, ident.NodeID{2}
	p.PeerUp(mate, "s", now)
	p.PeerWants(mate, true, now)
	p.PeerUp(trader, "t", now)
	p.PeerWants(trader, true, now)
	p.Next(now)
	var left []int // a chunk each of pieces that are the mate's
	for at := range p.pieces {
		if pc := &p.pieces[at]; pc.before == 1 {
			left = append(left, pc.first)
		}
	}
	offer := func(k int) { p.PeerHas(trader, left[k], now) }
	k := 0
	for ; (k+1)*(32<<10) <= aheadBytes; k++ {
		offer(k)
	}
	now = now.Add(time.Second)
	if e := p.Next(now); len(e.Requests) > 0 {
		t.Errorf("of %d chunks that the mate asks for, it asks for %+v", k, e.Requests)
	}
	for ; k < 20; k++ {
		offer(k)
	}
	if e := p.Next(now); len(e.Requests) == 0 {
		t.Error("it does not help with what is beyond")
	}
}

// seeds is a planner of a node that knows two seeds of one site, which give it a share, and a node of another site that fetches too.
func seeds(began time.Time, share Share) (p *Planner, all [2]ident.NodeID) {
	p = New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(1000, 32<<10), Have: func(int) bool { return false }, Began: began})
	all = [2]ident.NodeID{{1}, {2}}
	for _, id := range all {
		p.PeerUp(id, "origin", began)
		p.PeerHasAll(id, began)
		p.PeerShares(id, share)
	}
	p.PeerUp(ident.NodeID{3}, "t", began)
	p.PeerWants(ident.NodeID{3}, true, began)
	return p, all
}

// Of seeds that share an uplink none is asked for another site's share before all of them will soon have sent what they were asked for.
func TestSeedsThatShareAnUplink(t *testing.T) {
	p, all := seeds(time.Time{}, Share{1, 100})
	now := time.Unix(1, 0)
	others := func(places []int) bool { return slices.ContainsFunc(places, func(at int) bool { return !p.mine(at) }) }
	slow := p.Next(now)
	if slow.asked(all[0]) == 0 || slow.asked(all[1]) == 0 {
		t.Fatalf("asked %v", slow.Requests)
	}
	drain(p, now, all[0], slow)
	for e := p.Next(now); e.asked(all[0]) > 0; e = p.Next(now) {
		if e.asked(all[1]) > 0 {
			t.Fatal("the other is asked for more than it is to be")
		}
		if places := drain(p, now, all[0], e); others(places) {
			t.Fatalf("places %v are asked for while the other seed sends", places)
		}
	}
	drain(p, now, all[1], slow)
	if places := drain(p, now, all[0], p.Next(now)); !others(places) {
		t.Errorf("then places %v, want others than of this site's hundredth", places)
	}
}

// While shares may still change, seeds that share an uplink are asked together for as much as one; then for as much each.
func TestSharesSettle(t *testing.T) {
	began := time.Unix(1, 0)
	p, all := seeds(began, Share{0, 2})
	asked := func(e Effects) int { return e.asked(all[0]) + e.asked(all[1]) }
	if n := asked(p.Next(began)) * 32 << 10; n < minPiece || n >= 2*minPiece {
		t.Errorf("asked for %d bytes at first, want some %d", n, minPiece)
	}
	wake := p.wake(began)
	for wake.Before(began.Add(dealTime)) {
		if e := p.Next(wake); asked(e) > 0 {
			t.Errorf("asked for more after %v", wake.Sub(began))
		}
		wake = p.wake(wake)
	}
	if e := p.Next(wake); asked(e) == 0 || wake != began.Add(dealTime) {
		t.Errorf("asked for %d more after %v", asked(e), wake.Sub(began))
	}
}

// What a peer says that it gives to this site is worked out of seeds only: the others are many, and asked for anything. Of one that is a seed
// again it is by the order that the pieces are in by then.
func TestSharesOfSeedsOnly(t *testing.T) {
	p, seed, other := traders(Share{0, 3})
	now := time.Unix(1, 0)
	p.PeerHasAll(other, now)
	p.PeerShares(other, Share{1, 2})
	p.deal()
	if p.peers[seed].owed == nil || p.peers[other].owed != nil {
		t.Errorf("owed by the seed: %v, by who got all: %v", p.peers[seed].owed != nil, p.peers[other].owed != nil)
	}
	q := p.peers[other]
	q.wanted = false
	p.deal()
	p.change(q, func() { q.rests = distrust })
	p.PeerShares(seed, Share{0, 4})
	p.deal()
	p.change(q, func() { q.rests = 0 })
	p.deal()
	owed := q.owed
	if p.owe(q); owed == nil || !slices.Equal(owed.bits, q.owed.bits) {
		t.Error("what is owed by one that is a seed again is not up to date")
	}
}

// What is expected of other sites, and withheld from a seed that could be asked for it, is looked at again soon, though nothing happens:
// while they are taken to give it soon, and while there is something that only the seed has.
func TestWithheldIsLookedAtAgain(t *testing.T) {
	now, mate := time.Unix(1, 0), ident.NodeID{3}
	for name, withhold := range map[string]func(p *Planner, trader ident.NodeID){
		"soon there": func(p *Planner, trader ident.NodeID) {
			p.PeerHasRun(trader, Run{0, 999}, now)
			p.Got(999, ident.NodeID{}, now)
			p.trade.income, p.trade.at = 1e9, now
		},
		"rare": func(p *Planner, trader ident.NodeID) {
			p.PeerUp(mate, "s", now)
			p.PeerWants(mate, true, now)
			p.assign(p.crew(p.opened, now))
			var taken []Run
			for i := range p.chunks {
				if p.pieces[p.of[i]].before == 0 {
					p.PeerHas(trader, i, now)
				} else {
					taken = append(taken, Run{i, 1})
				}
			}
			p.PeerTakes(mate, taken, now)
		},
	} {
		p, seed, trader := traders(Share{0, 1})
		withhold(p, trader)
		e := p.Next(now)
		if e.asked(trader) == 0 || e.asked(seed) > 0 || !p.trade.withheld {
			t.Fatalf("%s: asked %+v", name, e.Requests)
		}
		if e.Wake.After(now.Add(incomeTime)) {
			t.Errorf("%s: it is looked at after %v", name, e.Wake.Sub(now))
		}
		p.PeerGone(seed)
		if p.Next(now); p.trade.withheld {
			t.Errorf("%s: nobody could be asked, and it is taken to be withheld", name)
		}
	}
}

// A seed is asked for what is expected of other sites if it would have that eagerRare times as soon, or eagerTraded times where they have
// something of it; of which they are taken to give what they gave of late, and less the longer they are silent.
func TestHowMuchSoonerASeedIsAsked(t *testing.T) {
	const rate = 1e6
	piece := float64(minPiece) / rate // seconds
	for name, c := range map[string]struct {
		chunks, traded int
		times          float64 // as long as the seed for a piece other sites take for all
		silent         time.Duration
		asked          bool
	}{
		"rare, and sooner":       {1000, 0, eagerRare * 1.1, 0, true},
		"rare, not sooner":       {1000, 0, eagerRare * 0.9, 0, false},
		"traded, and sooner":     {1000, 999, eagerTraded * 1.1, 0, true},
		"traded, not sooner":     {1000, 999, eagerTraded * 0.9, 0, false},
		"few, and sooner":        {12, 11, eagerTraded * 1.1, 0, true}, // of which some were asked for
		"silent, and sooner":     {1000, 999, eagerTraded * 0.3, 4 * time.Second, true},
		"silent, not sooner yet": {1000, 999, eagerTraded * 0.3, 3 * time.Second, false},
	} {
		p, seed, trader := tradersOf(c.chunks, Share{MaxShares - 1, MaxShares}) // nothing is this site's own
		now := time.Unix(1, 0)
		p.PeerHasRun(trader, Run{0, c.traded}, now)
		p.Got(c.chunks-1, ident.NodeID{}, now)
		p.peers[seed].rate = rate
		p.trade.income, p.trade.at = float64(c.chunks*32<<10)/(c.times*piece), now.Add(-c.silent)
		if e := p.Next(now); (e.asked(seed) > 0) != c.asked {
			t.Errorf("%s: the seed is asked for %d chunks", name, e.asked(seed))
		}
	}
}
