package planner

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

func chunksOf(n int, size int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = size
	}
	return out
}

func all(int) bool { return true }

// Whoever else is there, and whatever they do: as long as an honest peer has each chunk, every node completes.
func TestAlwaysCompletes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := make([]int32, rapid.IntRange(1, 200).Draw(t, "chunks"))
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "sizes"), 0))
		for i := range sizes {
			sizes[i] = random.Int32N(128 << 10)
		}
		s := newSim(t, sizes)
		rate := rapid.SampledFrom([]float64{1e4, 1e5, 1e6, 1e8})
		// Of every chunk there is an honest holder.
		holders := rapid.IntRange(1, 3).Draw(t, "holders")
		for k := range holders {
			s.addHost(rapid.Bool().Draw(t, "local"), rapid.SampledFrom([]manner{honest, honest, flaps, drops, mends}).Draw(t, "manner"),
				rate.Draw(t, "rate"), func(i int) bool { return i%holders == k })
		}
		for range rapid.IntRange(0, 4).Draw(t, "others") {
			part := rapid.IntRange(1, 4).Draw(t, "part")
			s.addHost(rapid.Bool().Draw(t, "local"), manner(rapid.IntRange(0, int(manners)-1).Draw(t, "manner")),
				rate.Draw(t, "rate"), func(i int) bool { return i%part == 0 })
		}
		for range rapid.IntRange(0, 2).Draw(t, "liars") {
			var says [][]Run
			for range rapid.IntRange(1, 3).Draw(t, "claims") {
				first := rapid.IntRange(0, len(sizes)-1).Draw(t, "first")
				says = append(says, []Run{{first, rapid.IntRange(1, len(sizes)-first).Draw(t, "count")}})
			}
			s.addLiar(says)
		}
		for k := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			n := s.addNode()
			n.mutes = k > 0 && rapid.IntRange(0, 5).Draw(t, "mutes") == 0
			held := rapid.IntRange(0, 3).Draw(t, "held")
			for i := range n.have {
				n.have[i] = held > 0 && i%(held+2) == 0
			}
			s.after(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "start, ms"))*time.Millisecond, func() { n.start("site") })
		}
		if len(s.nodes) > 1 && rapid.Bool().Draw(t, "one dies") {
			n := s.nodes[1]
			s.after(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "death, ms"))*time.Millisecond, n.die)
			s.after(time.Minute, func() {}) // a death may come last
		}
		s.run(24 * time.Hour)
	})
}

// Without faults each piece crosses the uplink once.
func TestUplinkOnce(t *testing.T) {
	for _, nodes := range []int{1, 2, 5, 12} {
		s := newSim(t, chunksOf(600, 32<<10))
		s.addHost(false, honest, 1e6, all)
		for range nodes {
			s.addNode()
		}
		s.startAll()
		took := s.run(time.Hour)
		ratio := float64(s.uplink) / (600 * 32 << 10)
		t.Logf("%d nodes: %v, %.3f times over the uplink", nodes, took, ratio)
		if ratio > 1.05 {
			t.Errorf("%d nodes: the blob crossed the uplink %.3f times", nodes, ratio)
		}
	}
}

// A node that has nobody outside, or that gives nothing to its mates, is passed over.
func TestTakeOver(t *testing.T) {
	for name, spoil := range map[string]func(s *sim, n *simNode){
		"dies":    func(s *sim, n *simNode) { s.after(3*time.Second, n.die) },
		"is mute": func(_ *sim, n *simNode) { n.mutes = true },
		"cut off": func(_ *sim, n *simNode) { n.cutOff = true },
	} {
		t.Run(name, func(t *testing.T) {
			const size = 1200 * 32 << 10
			s := newSim(t, chunksOf(1200, 32<<10))
			s.addHost(false, honest, 1e6, all)
			for k := range 3 {
				n := s.addNode()
				if k == 0 {
					spoil(s, n)
				}
				s.after(0, func() { n.start("site") })
			}
			took := s.run(10 * time.Minute)
			// Two are left to get it, in about half the time that one would take.
			if limit := size/2*time.Microsecond + 2*TakeOver; took > limit {
				t.Errorf("took %v, more than %v", took, limit)
			}
		})
	}
}

// On an uplink on which a chunk takes longer than TakeOver, mates learn to wait.
func TestThinUplink(t *testing.T) {
	s := newSim(t, chunksOf(64, 64<<10))
	s.addHost(false, honest, 4e3, all) // 16 s a chunk
	for range 3 {
		s.addNode()
	}
	s.startAll()
	took := s.run(2 * time.Hour)
	ratio := float64(s.uplink) / (64 * 64 << 10)
	t.Logf("%v, %.3f times over the uplink", took, ratio)
	if ratio > 1.25 {
		t.Errorf("the blob crossed the uplink %.3f times", ratio)
	}
}

// A node that comes late gets what its mates have from them.
func TestLateNode(t *testing.T) {
	s := newSim(t, chunksOf(500, 32<<10))
	s.addHost(false, honest, 1e6, all)
	for k := range 3 {
		n := s.addNode()
		s.after(time.Duration(k/2)*10*time.Second, func() { n.start("site") })
	}
	s.run(time.Hour)
	if ratio := float64(s.uplink) / (500 * 32 << 10); ratio > 1.1 {
		t.Errorf("the blob crossed the uplink %.3f times", ratio)
	}
}

// A local peer that promises everything and gives nothing does not keep the blob from being got elsewhere.
func TestLocalLiarIsPassedOver(t *testing.T) {
	for _, m := range []manner{stalls, fails, lies} {
		s := newSim(t, chunksOf(100, 32<<10))
		s.addHost(true, m, 1e6, all)
		s.addHost(false, honest, 1e6, all)
		n := s.addNode()
		s.after(0, func() { n.start("site") })
		if took := s.run(time.Hour); took > 90*time.Second {
			t.Errorf("manner %d: took %v", m, took)
		}
	}
}

// Sites take pieces in different orders, and mates of one site ask a local seed for different ones first.
func TestOrders(t *testing.T) {
	first := func(self byte, site, seedSite string) int {
		p := New(Config{Self: ident.NodeID{self}, Site: site, Sizes: chunksOf(1000, 32<<10), Have: func(int) bool { return false }})
		now := time.Unix(1, 0)
		seed, mate := ident.NodeID{200}, ident.NodeID{201}
		p.PeerUp(seed, seedSite, now)
		p.PeerHasAll(seed, now)
		if site == seedSite {
			p.PeerUp(mate, site, now)
			p.PeerWants(mate, true, now)
		}
		return p.Next(now).Requests[0].Runs[0].First
	}
	sites, nodes := map[int]bool{}, map[int]bool{}
	for k := range byte(8) {
		sites[first(1, string('a'+rune(k)), "z")] = true
		nodes[first(k, "a", "a")] = true
	}
	if len(sites) < 6 || len(nodes) < 6 {
		t.Errorf("8 sites begin with %d pieces, 8 mates with %d", len(sites), len(nodes))
	}
}

// What is lost is got again.
func TestLost(t *testing.T) {
	p := New(Config{Sizes: chunksOf(3, 1000), Have: all})
	if !p.Done() {
		t.Fatal("not done")
	}
	now, id := time.Unix(1, 0), ident.NodeID{1}
	p.PeerUp(id, "", now)
	p.PeerHasAll(id, now)
	p.Lost(1)
	p.Lost(1)
	e := p.Next(now)
	if p.Done() || len(e.Requests) != 1 || e.Requests[0].Runs[0] != (Run{1, 1}) {
		t.Fatalf("got %+v", e)
	}
	p.Got(1, id, now)
	if !p.Done() {
		t.Error("not done")
	}
}

// BenchmarkNext asks for a piece of a blob of 1 GiB and gets it, in a site of 20 that are half through.
func BenchmarkNext(b *testing.B) {
	const n = 32 << 10
	var p *Planner
	now := time.Unix(1, 0)
	seed := ident.NodeID{255}
	refill := func() {
		p = New(Config{Site: "s", Sizes: chunksOf(n, 32<<10), Have: func(int) bool { return false }})
		p.PeerUp(seed, "far", now)
		p.PeerHasAll(seed, now)
		for k := range byte(20) {
			id := ident.NodeID{1, k}
			p.PeerUp(id, "s", now)
			p.PeerWants(id, true, now)
			for i := range n / 2 {
				p.PeerHas(id, i, now)
			}
		}
	}
	var waiting []Request
	for b.Loop() {
		if len(waiting) == 0 {
			b.StopTimer()
			refill()
			waiting = p.Next(now).Requests
			b.StartTimer()
		}
		r := waiting[0]
		waiting = waiting[1:]
		for _, run := range r.Runs {
			for i := run.First; i < run.First+run.Count; i++ {
				p.Got(i, r.Peer, now)
			}
		}
		now = now.Add(time.Millisecond)
		waiting = append(waiting, p.Next(now).Requests...)
	}
}

// Nodes that begin one after the other see what their mates are getting, and do not ask for it again.
func TestStaggeredStarts(t *testing.T) {
	for name, c := range map[string]struct {
		chunks int
		rate   float64
		every  time.Duration
	}{
		"a blob":        {300, 1e6, 700 * time.Millisecond},
		"a small patch": {26, 250e3, 300 * time.Millisecond},
		"a thin uplink": {40, 8e3, 20 * time.Second},
		"one chunk":     {1, 50e3, 100 * time.Millisecond},
	} {
		s := newSim(t, chunksOf(c.chunks, 32<<10))
		s.addHost(false, honest, c.rate, all)
		for k := range 4 {
			n := s.addNode()
			s.after(time.Duration(k)*c.every, func() { n.start("site") })
		}
		s.after(3*c.every, func() {}) // all begin
		took := s.run(time.Hour)
		if ratio := float64(s.uplink) / float64(c.chunks*32<<10); ratio > 1.01 {
			t.Errorf("%s: %v, %.3f times over the uplink", name, took, ratio)
		}
	}
}

// A mate that claims all and gets nothing delays what it claims, once.
func TestBoaster(t *testing.T) {
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(100, 32<<10), Have: func(int) bool { return false }})
	began := time.Unix(1, 0)
	seed, mate := ident.NodeID{1}, ident.NodeID{2}
	p.PeerUp(seed, "far", began)
	p.PeerHasAll(seed, began)
	p.PeerUp(mate, "s", began)
	p.PeerWants(mate, true, began)
	now, first := began, time.Time{}
	for ; !p.Done(); now = now.Add(time.Second) {
		if now.Sub(began) > claimMost+time.Minute {
			t.Fatal("not done")
		}
		p.PeerTakes(mate, []Run{{0, 100}}, now)
		for _, r := range p.Next(now).Requests {
			if first.IsZero() {
				first = now
			}
			for _, run := range r.Runs {
				for i := run.First; i < run.First+run.Count; i++ {
					p.Got(i, seed, now)
				}
			}
		}
	}
	if first.Sub(began) < claimMost {
		t.Errorf("what the mate claimed was asked for after %v", first.Sub(began))
	}
}

// What a mate was getting is asked for when the mate goes, and as soon as it says that it is not getting it any more.
func TestClaimsEnd(t *testing.T) {
	for name, end := range map[string]func(p *Planner, mate ident.NodeID, now time.Time){
		"it goes":           func(p *Planner, mate ident.NodeID, _ time.Time) { p.PeerGone(mate) },
		"it wants no more":  func(p *Planner, mate ident.NodeID, now time.Time) { p.PeerWants(mate, false, now) },
		"it claims no more": func(p *Planner, mate ident.NodeID, now time.Time) { p.PeerTakes(mate, []Run{}, now) },
	} {
		p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(4, 32<<10), Have: func(int) bool { return false }})
		now := time.Unix(1, 0)
		seed, mate := ident.NodeID{1}, ident.NodeID{2}
		p.PeerUp(seed, "far", now)
		p.PeerHasAll(seed, now)
		p.PeerUp(mate, "s", now)
		p.PeerWants(mate, true, now)
		p.PeerTakes(mate, []Run{{0, 4}}, now)
		if e := p.Next(now); len(e.Requests) > 0 {
			t.Errorf("%s: %+v is asked for while a mate is getting it", name, e.Requests)
		}
		end(p, mate, now)
		if e := p.Next(now); len(e.Requests) == 0 {
			t.Errorf("%s: nothing is asked for then", name)
		}
	}
}
