package planner

import (
	"testing"
	"time"

	"selvage/internal/ident"
)

// A node that begins asks beyond the uplink once all of its site have said what they have and are getting, and hearTime after that in any case.
func TestHearsMatesFirst(t *testing.T) {
	began, seed, mates := time.Unix(1, 0), ident.NodeID{1}, []ident.NodeID{{2}, {3}}
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(80, 128<<10), Have: func(int) bool { return false }, Began: began})
	p.PeerUp(seed, "far", began)
	p.PeerHasAll(seed, began)
	for _, m := range mates {
		p.PeerUp(m, "s", began)
	}
	for k, m := range mates {
		if e := p.Next(began); len(e.Requests) > 0 || !e.Wake.Equal(began.Add(hearTime)) {
			t.Errorf("once %d have told: %v, and again after %v", k, e.Requests, e.Wake.Sub(began))
		}
		p.PeerTold(m)
	}
	if e := p.Next(began); e.asked(seed) == 0 {
		t.Error("nothing is asked for once all have told")
	}
}

// Who says nothing does not keep it waiting for longer.
func TestHearsMatesForAWhile(t *testing.T) {
	began, seed, mate := time.Unix(1, 0), ident.NodeID{1}, ident.NodeID{2}
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(80, 128<<10), Have: func(int) bool { return false }, Began: began})
	p.PeerUp(seed, "far", began)
	p.PeerHasAll(seed, began)
	p.PeerUp(mate, "s", began)
	p.PeerWants(mate, true, began) // it may be getting something
	if e := p.Next(began.Add(hearTime - time.Millisecond)); len(e.Requests) > 0 {
		t.Errorf("asked early: %v", e.Requests)
	}
	if e := p.Next(began.Add(hearTime)); e.asked(seed) == 0 {
		t.Error("nothing is asked for")
	}
}
