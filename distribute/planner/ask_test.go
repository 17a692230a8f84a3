package planner

import (
	"testing"
	"time"

	"selvage/internal/ident"
)

// claimedPart is a planner of a node whose duty it is to get a blob of one piece. A mate is getting the first chunk, which is all that one
// other site has; another site has the second.
func claimedPart(first, second ident.NodeID, now time.Time) *Planner {
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(8, 16<<10), Have: func(int) bool { return false }})
	mate := ident.NodeID{10}
	for rank(seed("duty", mate[:], p.cfg.Blob[:]), 0) > rank(p.self, 0) {
		mate[0]++
	}
	p.PeerUp(mate, "s", now)
	p.PeerWants(mate, true, now)
	p.PeerTakes(mate, []Run{{0, 1}}, now)
	for i, id := range []ident.NodeID{first, second} {
		p.PeerUp(id, string(id[:1]), now)
		p.PeerWants(id, true, now)
		p.PeerHas(id, i, now)
	}
	return p
}

// That a mate is getting all that one peer has of a piece keeps nobody from asking another for what that has.
func TestClaimedChunksHideNoOthers(t *testing.T) {
	for _, first := range []ident.NodeID{{1}, {2}} {
		now := time.Unix(1, 0)
		second := ident.NodeID{3 - first[0]}
		p := claimedPart(first, second, now)
		if e := p.Next(now); e.asked(second) != 1 || e.asked(first) != 0 {
			t.Errorf("asked node %d for %d, and node %d for %d, want 0 and 1", first[0], e.asked(first), second[0], e.asked(second))
		}
	}
}

// What a peer was asked for is kept once, however often it could be asked for nothing else.
func TestAsksAreKeptOnce(t *testing.T) {
	now := time.Unix(1, 0)
	p := claimedPart(ident.NodeID{1}, ident.NodeID{2}, now)
	p.PeerGone(ident.NodeID{1})
	p.PeerHas(ident.NodeID{2}, 0, now)
	for k := range 100 {
		p.Next(now.Add(time.Duration(k) * time.Millisecond))
	}
	if n := len(p.peers[ident.NodeID{2}].asks); n != 1 {
		t.Errorf("it was asked once, and that is kept %d times", n)
	}
}
