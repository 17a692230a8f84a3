package planner

import (
	"cmp"
	"testing"
	"time"

	"selvage/internal/ident"
)

// A mate that gives next to nothing keeps a blob from nobody who can get it elsewhere, at whatever cost; who gives little, or is the only one,
// is asked on.
func TestMateThatTricklesIsLeft(t *testing.T) {
	far := func() *giver { return &giver{site: "far", rate: 1e6, delay: 20 * time.Millisecond} }
	for name, c := range map[string]struct {
		rate   float64 // of the mate
		chunks int     // 0: 80
		waits  bool    // it says that it sends later
		held   bool    // what it sends waits for this node
		others []*giver
		left   time.Duration // about when; 0: never
	}{
		"dying disk":        {rate: 2e3, others: []*giver{far()}, left: trickleTime},
		"dying disk, later": {rate: 2e3, waits: true, others: []*giver{far()}, left: claimMost},
		"own disk":          {rate: 2e3, held: true, others: []*giver{far()}},
		"nobody else":       {rate: 2e3},
		"little is left":    {rate: 10e3, chunks: 10, others: []*giver{far()}},
		"slow LAN":          {rate: 20e3, others: []*giver{far()}},
	} {
		t.Run(name, func(t *testing.T) {
			mate := &giver{site: "s", rate: c.rate}
			var p *Planner
			mate.silent = func(at time.Duration) bool {
				now := time.Unix(1, 0).Add(at)
				if c.waits && at%time.Second == 0 {
					p.Waits(mate.id, now)
				}
				if c.held {
					p.Held(mate.id, now)
				}
				return false
			}
			p = meet(cmp.Or(c.chunks, 80), append([]*giver{mate}, c.others...)...)
			listen(p, time.Unix(1, 0), 20*time.Minute, append([]*giver{mate}, c.others...)...)
			if c.left == 0 {
				if len(mate.canceled) > 0 {
					t.Errorf("left at %v", mate.canceled)
				}
				return
			}
			if !p.Done() || len(mate.canceled) != 1 || mate.canceled[0] < c.left || mate.canceled[0] > c.left+20*time.Second {
				t.Errorf("left at %v, %d chunks missing", mate.canceled, p.left)
			}
		})
	}
}

// One that trickles is named to the caller, and not as one that is stuck.
func TestWhoTricklesIsNamed(t *testing.T) {
	begin, mate, seed := time.Unix(1, 0), ident.NodeID{1}, ident.NodeID{2}
	p := meet(80, &giver{site: "s"}, &giver{site: "far"})
	for now := begin; now.Before(begin.Add(2 * trickleTime)); now = now.Add(SignEvery) {
		e := p.Next(now)
		p.Alive(mate, now)
		if len(e.Cancel) == 0 {
			continue
		}
		if len(e.Cancel) != 1 || e.Cancel[0] != mate || len(e.Trickles) != 1 || e.Trickles[0] != mate {
			t.Errorf("left: %v, of which trickle %v", e.Cancel, e.Trickles)
		}
		if len(e.Requests) == 0 || e.Requests[0].Peer != seed {
			t.Errorf("asked instead: %v", e.Requests)
		}
		p.Got(79, mate, now) // a chunk that was on its way
		if e := p.Next(now.Add(time.Hour)); e.asked(mate) > 0 {
			t.Errorf("it is asked for %d again, since one chunk came", e.asked(mate))
		}
		return
	}
	t.Error("not left")
}
