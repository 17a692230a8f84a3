package planner

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// between is a node that gets a blob of 3,000 chunks from a seed and from another site that gets it too and has nearly all of it, and what
// either gives, in chunks a second.
func between(seeds, trades float64) (p *Planner, seed, trader *giver) {
	const size = 32 << 10
	p, seedID, traderID := tradersOf(3000, Share{0, 2})
	p.PeerHasRun(traderID, Run{0, 2800}, time.Unix(1, 0))
	return p, &giver{id: seedID, rate: seeds * size, delay: 20 * time.Millisecond},
		&giver{id: traderID, rate: trades * size, delay: 20 * time.Millisecond}
}

// Other sites that give little while the seed gives much are asked no more, and the seed for their shares too; until it gives as little, or
// goes, or the uplink was closed.
func TestScantTrade(t *testing.T) {
	type change func(p *Planner, seed *giver, now time.Time)
	for name, c := range map[string]struct {
		trades float64
		end    change
		asked  time.Duration // after that at most; 0: not in 20 s
	}{
		"slower seed":              {2, func(_ *Planner, seed *giver, _ time.Time) { seed.rate *= 0.14 }, 0}, // still three times as much
		"slow seed":                {2, func(_ *Planner, seed *giver, _ time.Time) { seed.rate /= 20 }, 20 * time.Second},
		"slow seed, no chunk came": {0.1, func(_ *Planner, seed *giver, _ time.Time) { seed.rate /= 50 }, 20 * time.Second},
		"silent seed":              {2, func(_ *Planner, seed *giver, _ time.Time) { seed.silent = after(0) }, 6 * time.Second},
		"no seed":                  {2, func(p *Planner, seed *giver, _ time.Time) { p.PeerGone(seed.id); seed.queue = nil }, time.Second},
		"closed":                   {2, func(p *Planner, _ *giver, now time.Time) { p.Uplink(false, now); p.Uplink(true, now) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p, seed, trader := between(50, c.trades)
			now := time.Unix(1, 0)
			pass := func(d time.Duration) { listen(p, now, d, seed, trader); now = now.Add(d) }
			if pass(2 * time.Second); p.trade.scant.is {
				t.Error("it is found out too soon")
			}
			pass(4 * time.Second)
			before, took := p.left, trader.took
			if pass(4 * time.Second); trader.took > took {
				t.Errorf("the other site is asked for %d more", trader.took-took)
			}
			if got := before - p.left; got < 190 {
				t.Errorf("%d chunks came in 4 s, want the seed's 200", got)
			}
			c.end(p, seed, now)
			if pass(cmp.Or(c.asked, 20*time.Second)); (trader.took > took) != (c.asked > 0) {
				t.Errorf("the other site was asked for %d before, and for %d when %v had passed", took, trader.took, c.asked)
			}
		})
	}
}

// Three and a third times as much is found out to be plenty, but not at once: others have less to give at first.
func TestPlentyIsFoundOutLater(t *testing.T) {
	p, seed, trader := between(50, 14.5)
	listen(p, time.Unix(1, 0), 4*time.Second, seed, trader)
	if p.trade.scant.is {
		t.Error("it is found out too soon")
	}
	listen(p, time.Unix(5, 0), 4*time.Second, seed, trader)
	if !p.trade.scant.is {
		t.Error("it is not found out")
	}
}

// Other sites that give a third of what the seed does are asked all the time; and so are those that have no more than that to give.
func TestTradeIsNotScant(t *testing.T) {
	for name, rates := range map[string][2]float64{"a third": {45, 15}, "all they have": {50, 1000}} {
		p, seed, trader := between(rates[0], rates[1])
		for k := range 300 {
			now := time.Unix(1, 0).Add(time.Duration(k) * 100 * time.Millisecond)
			if listen(p, now, 100*time.Millisecond, seed, trader); p.trade.scant.is {
				t.Fatalf("%s: other sites are not asked any more after %d", name, k)
			}
		}
	}
}

// A node that gets less of the seed than its mate does leaves other sites alone as that does, for it asks over the same uplink; unless the
// mate has no more than others give it too.
func TestScantForSite(t *testing.T) {
	for _, c := range []struct {
		mate  float64 // chunks a second that it brings
		scant bool
	}{{80, true}, {60, false}} {
		p, seed, trader := between(20, 10)
		mate := &giver{id: ident.NodeID{3}, rate: 1000 * (32 << 10)}
		p.PeerUp(mate.id, "s", time.Unix(1, 0))
		p.PeerWants(mate.id, true, time.Unix(1, 0))
		follower := ident.NodeID{4} // gets all of the mate
		p.PeerUp(follower, "s", time.Unix(1, 0))
		const step = 100 * time.Millisecond
		brought, next := 0.0, 2999
		for at := time.Duration(0); at < 6*time.Second; at += step {
			now := time.Unix(1, 0).Add(at)
			for brought += c.mate * step.Seconds(); brought >= 1; brought-- {
				p.PeerHasRun(mate.id, Run{next, 1}, now)
				p.PeerHasRun(follower, Run{next, 1}, now)
				next--
			}
			listen(p, now, step, seed, trader, mate)
		}
		if p.trade.scant.is != c.scant {
			t.Errorf("the mate brings %v chunks a second, the seed 20 and another site 10: the other site is left alone: %v", c.mate, p.trade.scant.is)
		}
	}
}

// What is only said to be brought, by one that is not believed or does not get the blob, has nobody leave other sites alone.
func TestScantIsNotTalkedInto(t *testing.T) {
	for name, says := range map[string]func(p *Planner, id ident.NodeID, now time.Time){
		"a mate that is not trusted": func(p *Planner, id ident.NodeID, now time.Time) {
			p.PeerWants(id, true, now)
			p.Bad(id)
		},
		"no mate": func(*Planner, ident.NodeID, time.Time) {},
	} {
		p, seed, trader := between(10, 10)
		liar := ident.NodeID{3}
		p.PeerUp(liar, "s", time.Unix(1, 0))
		says(p, liar, time.Unix(1, 0))
		for k := range 60 {
			now := time.Unix(1, 0).Add(time.Duration(k) * 100 * time.Millisecond)
			p.PeerHasRun(liar, Run{2990 - 10*k, 10}, now)
			if listen(p, now, 100*time.Millisecond, seed, trader); p.trade.scant.is {
				t.Errorf("%s: other sites are left alone after %d steps", name, k)
				break
			}
		}
	}
}

// Where this node knows no seed it asks others, however much a mate brings that knows one.
func TestScantNeedsASeed(t *testing.T) {
	p, seed, trader := between(0, 10)
	p.PeerGone(seed.id)
	mate := ident.NodeID{3}
	p.PeerUp(mate, "s", time.Unix(1, 0))
	p.PeerWants(mate, true, time.Unix(1, 0))
	for k := range 60 {
		now := time.Unix(1, 0).Add(time.Duration(k) * 100 * time.Millisecond)
		p.PeerHasRun(mate, Run{2990 - 10*k, 10}, now)
		if listen(p, now, 100*time.Millisecond, trader); p.trade.scant.is {
			t.Fatalf("nobody is asked for anything after %d steps", k)
		}
	}
}

// It is found out when the time for it has passed, also if nothing comes then that would have the planner asked.
func TestScantIsFoundOutInTime(t *testing.T) {
	p, seed, trader := between(50, 2)
	listen(p, time.Unix(1, 0), 1500*time.Millisecond, seed, trader)
	late := 0
	for at := time.Unix(2, 5e8); at.Before(p.weighed()); at = at.Add(time.Millisecond) {
		if e := p.Next(at); e.Wake.After(p.weighed()) {
			late++
		}
	}
	if late > 0 {
		t.Errorf("%d times the planner is to be asked only after it is to weigh what comes", late)
	}
}

// What other sites give is weighed over three answers of the seed that answers soonest, and of no one else.
func TestTrialTakesAnswers(t *testing.T) {
	const second = time.Second
	for _, c := range []struct{ one, other, trader, want time.Duration }{
		{0, 0, second, trialTime}, // nothing has come of them
		{second, 0, 0, trialTime + 3*second},
		{0, second, 0, trialTime + 3*second},
		{3 * second, second, second / 10, trialTime + 3*second},
		{second, 3 * second, second / 10, trialTime + 3*second},
	} {
		p, one, trader := traders(Share{0, 2})
		other, now := ident.NodeID{3}, time.Unix(1, 0)
		p.PeerUp(other, "other", now)
		p.PeerHasAll(other, now)
		p.peers[one].delay, p.peers[other].delay, p.peers[trader].delay = c.one, c.other, c.trader
		p.trade.scant.since = now
		if got := p.weighed().Sub(now); got != c.want {
			t.Errorf("seeds that answer after %v and %v, another site after %v: it takes %v, want %v", c.one, c.other, c.trader, got, c.want)
		}
	}
}

// While other sites are left alone, seeds are asked for what only they have first, and for the rest when there is no more of that.
func TestSeedsAreAskedForRareFirst(t *testing.T) {
	for some, want := range map[int]bool{500: false, 999: true} {
		p, seed, trader := traders(Share{0, 2})
		now := time.Unix(1, 0)
		p.PeerHasRun(trader, Run{0, some}, now)
		p.trade.scant = scant{is: true, since: now}
		e := p.Next(now)
		if e.asked(seed) == 0 || e.asked(trader) > 0 {
			t.Fatalf("asked %+v", e.Requests)
		}
		traded := slices.ContainsFunc(e.Requests, func(r Request) bool { return r.Runs[0].First < some })
		if traded != want {
			t.Errorf("of %d chunks that another site has too some are asked for: %v, want %v", some, traded, want)
		}
	}
}

// While other sites are left alone, a node that has little left to do helps its mate as ever: once all
// seeds of a site will soon have sent what they were asked for.
func TestSeedsAreAskedForMates(t *testing.T) {
	p, all := seeds(time.Time{}, Share{0, 1})
	now, mate := time.Unix(1, 0), ident.NodeID{4}
	p.PeerUp(mate, "s", now)
	p.PeerWants(mate, true, now)
	p.assign(p.crew(p.opened, now))
	for i := range p.chunks {
		if p.pieces[p.of[i]].before == 0 {
			p.Got(i, ident.NodeID{}, now)
		}
	}
	p.trade.scant = scant{is: true, since: now}
	for range 3 {
		e := p.Next(now)
		if len(e.Requests) != 1 {
			t.Fatalf("of seeds that have sent all one is to be asked for something: %+v", e.Requests)
		}
		if again := p.Next(now); len(again.Requests) > 0 {
			t.Errorf("while a seed sends what is the mate's, it is asked for that too: %+v", again.Requests)
		}
		for _, id := range all {
			drain(p, now, id, e)
		}
	}
}
