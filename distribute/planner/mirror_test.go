package planner

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// While a peer that serves is there, reached by this node or a mate only, nobody asks a mirror; unless another peer keeps
// the mate waiting for longer than a mirror is.
func TestMirrorIsNotAskedWhilePeersServe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, chunksOf(rapid.IntRange(1, 200).Draw(t, "chunks"), 64<<10))
		for range rapid.IntRange(1, 2).Draw(t, "mirrors") {
			s.addMirror(honest, 1e7)
		}
		near := rapid.Bool().Draw(t, "near")
		s.addHost(near, honest, rapid.SampledFrom([]float64{1e5, 1e6, 1e8}).Draw(t, "rate"), all)
		for range rapid.IntRange(0, 2).Draw(t, "others") {
			s.addHost(rapid.Bool().Draw(t, "local"), rapid.SampledFrom([]manner{honest, fails, drops}).Draw(t, "manner"), 1e6, all)
		}
		for k := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			n := s.addNode()
			n.cutOff = k > 0 && rapid.Bool().Draw(t, "cut off")
			s.after(time.Duration(rapid.IntRange(0, 5_000).Draw(t, "start, ms"))*time.Millisecond, func() { n.start("site") })
		}
		s.run(24 * time.Hour)
		if s.mirror > 0 {
			t.Fatalf("%d bytes came from mirrors", s.mirror)
		}
	})
}

// A node that reaches a peer may be of the crew only after two that reach none, one after the other.
func TestMirrorIsNotAskedBeforeTheCrewIsReplaced(t *testing.T) {
	s := newSim(t, chunksOf(7, 64<<10))
	s.addMirror(honest, 1e7)
	s.addHost(false, honest, 1e6, all)
	for k, start := range []time.Duration{0, 0, 467 * time.Millisecond} {
		n := s.addNode()
		n.cutOff = k > 0
		s.after(start, func() { n.start("site") })
	}
	s.run(24 * time.Hour)
	if s.mirror > 0 {
		t.Fatalf("%d bytes came from mirrors", s.mirror)
	}
}

// Whatever peers promise and do not give, and whatever other mirrors do: what an honest mirror has comes.
func TestMirrorCompletes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, chunksOf(rapid.IntRange(1, 120).Draw(t, "chunks"), 32<<10))
		rate := rapid.SampledFrom([]float64{1e4, 1e6, 1e8})
		s.addMirror(rapid.SampledFrom([]manner{honest, honest, drops, mends}).Draw(t, "mirror"), rate.Draw(t, "rate"))
		bad := rapid.SampledFrom([]manner{stalls, fails, lies, drops})
		for range rapid.IntRange(0, 2).Draw(t, "bad mirrors") {
			s.addMirror(bad.Draw(t, "manner"), rate.Draw(t, "rate"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "bad peers") {
			part := rapid.IntRange(1, 4).Draw(t, "part")
			s.addHost(rapid.Bool().Draw(t, "local"), rapid.SampledFrom([]manner{stalls, fails, lies}).Draw(t, "manner"), rate.Draw(t, "rate"),
				func(i int) bool { return i%part == 0 })
		}
		for k := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			n := s.addNode()
			n.mutes = k > 0 && rapid.IntRange(0, 5).Draw(t, "mutes") == 0
			s.after(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "start, ms"))*time.Millisecond, func() { n.start("site") })
		}
		if len(s.nodes) > 1 && rapid.Bool().Draw(t, "one dies") {
			n := s.nodes[1]
			s.after(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "death, ms"))*time.Millisecond, n.die)
			s.after(time.Minute, func() {}) // a death may come last
		}
		s.run(24 * time.Hour)
	})
}

// Peers that come and go, and give nothing while they are there, do not keep a node from a mirror.
func TestMirrorDespiteTeases(t *testing.T) {
	s := newSim(t, chunksOf(200, 32<<10))
	s.addMirror(honest, 1e6)
	tease := s.addHost(false, stalls, 1e6, all)
	n := s.addNode()
	s.after(0, func() { n.start("site") })
	var comeAndGo func()
	comeAndGo = func() {
		if !n.plan.Done() {
			n.lose(tease)
			s.after(7*time.Second, comeAndGo)
		}
	}
	s.after(time.Second, comeAndGo)
	if took := s.run(time.Hour); took > starveTime+MirrorPatience+30*time.Second {
		t.Errorf("took %v", took)
	}
}

// A site takes each piece from a mirror once, when its nodes begin together, and when they begin one after the other.
func TestMirrorOnce(t *testing.T) {
	const chunks = 250
	for _, apart := range []time.Duration{0, 3 * time.Second, 15 * time.Second} {
		for _, nodes := range []int{1, 2, 5, 9} {
			s := newSim(t, chunksOf(chunks, 32<<10))
			s.addMirror(honest, 1e6)
			for range nodes {
				s.addNode()
			}
			if apart == 0 {
				s.startAll()
			}
			for k, n := range s.nodes {
				if apart > 0 {
					s.after(time.Duration(k)*apart, func() { n.start("site") })
				}
			}
			took := s.run(time.Hour)
			ratio := float64(s.mirror) / (chunks * 32 << 10)
			t.Logf("%d nodes, %v apart: %v, %.3f times over the uplink", nodes, apart, took, ratio)
			if ratio > 1.01 {
				t.Errorf("%d nodes, %v apart: the blob crossed the uplink %.3f times", nodes, apart, ratio)
			}
		}
	}
}

// When a peer that serves comes, mirrors are left in peace.
func TestMirrorGivesWay(t *testing.T) {
	s := newSim(t, chunksOf(600, 32<<10))
	s.addMirror(honest, 2e5)
	n := s.addNode()
	s.after(0, func() { n.start("site") })
	s.after(30*time.Second, func() {
		n.meet(s.addHost(false, honest, 1e6, all))
		n.decide()
	})
	s.run(time.Hour)
	if most := int64(20*2e5 + uplinkWindow); s.mirror == 0 || s.mirror > most || s.mirror > 7<<20 {
		t.Errorf("%d bytes came from the mirror", s.mirror)
	}
}
