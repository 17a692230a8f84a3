package planner

import (
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// asked counts the chunks that a peer is asked for.
func (e Effects) asked(id ident.NodeID) (n int) {
	for _, r := range e.Requests {
		for _, run := range r.Runs {
			if r.Peer == id {
				n += run.Count
			}
		}
	}
	return n
}

// Who got the blob from a seed of its own site is not asked for it, nor told to say what it has, for as long as the seed gives.
func TestMatesOfASeedAreNotAsked(t *testing.T) {
	p, seed, _ := traders(Share{0, 2})
	mate, now := ident.NodeID{3}, time.Unix(1, 0)
	p.PeerUp(mate, "origin", now)
	p.PeerWants(mate, true, now)
	p.PeerHasRun(mate, Run{0, 500}, now)
	e := p.Next(now)
	if e.asked(seed) == 0 || e.asked(mate) > 0 || !slices.Contains(e.Ignore, mate) {
		t.Errorf("asked the seed for %d and its mate for %d; %v need not tell", e.asked(seed), e.asked(mate), e.Ignore)
	}
	drain(p, now, seed, e)
	p.PeerHasAll(mate, now)
	p.PeerWants(mate, false, now)
	now = now.Add(hearTime)
	if e := p.Next(now); e.asked(mate) > 0 || e.asked(seed) == 0 || p.trade.whole {
		t.Errorf("the mate, which has all by now, is asked for %d, and the seed for %d; what it has is expected of others: %v", e.asked(mate), e.asked(seed), p.trade.whole)
	}
	p.Failed(seed, now)
	if e := p.Next(now); e.asked(mate) == 0 || !slices.Contains(e.Listen, mate) {
		t.Errorf("the seed gives nothing, and its mate is asked for %d; %v are to tell", e.asked(mate), e.Listen)
	}
}

// While nothing comes from anywhere it is asked too, though the seed is not given up yet.
func TestMatesOfASilentSeedAreAsked(t *testing.T) {
	p, _, _ := traders(Share{0, 2})
	mate, now := ident.NodeID{3}, time.Unix(1, 0)
	p.PeerUp(mate, "origin", now)
	p.PeerWants(mate, true, now)
	p.PeerHasAll(mate, now)
	if e := p.Next(now); e.asked(mate) > 0 || !e.Wake.Before(now.Add(uplinkStall)) {
		t.Fatalf("the mate is asked for %d, and the planner asked again after %v", e.asked(mate), e.Wake.Sub(now))
	}
	now = now.Add(TakeOver)
	if e := p.Next(now); e.asked(mate) == 0 || len(e.Cancel) > 0 {
		t.Errorf("then it is asked for %d, and %v are given up", e.asked(mate), e.Cancel)
	}
}
