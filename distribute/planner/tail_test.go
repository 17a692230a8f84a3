package planner

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// One beyond the uplink that gives a little now and then, while another is quick, does not keep the end of the blob for long; nor is one left
// for another that is not much quicker.
func TestEndIsMovedFromDawdler(t *testing.T) {
	const rate, chunks = 2e6, 128
	for name, c := range map[string]struct {
		rate, then float64 // from the third second on
		left       bool
	}{
		"100 bytes/s":          {100, 100, true},
		"4 kB/s":               {4e3, 4e3, true},
		"as fast, then 4 kB/s": {rate, 4e3, true},
		"a fourth":             {rate / tailSooner, rate / tailSooner, false},
	} {
		t.Run(name, func(t *testing.T) {
			late := &giver{site: "far", rate: c.rate, delay: 50 * time.Millisecond}
			late.silent = func(at time.Duration) bool {
				if at >= 3*time.Second {
					late.rate = c.then
				}
				return false
			}
			good := &giver{site: "far", rate: rate, delay: 50 * time.Millisecond}
			ideal := time.Duration(float64(chunks*128<<10) / rate * float64(time.Second))
			if p := talk(t, chunks, ideal+tailLeast+5*time.Second, late, good); !p.Done() {
				t.Errorf("not done %v after %v", tailLeast+5*time.Second, ideal)
			}
			if left := len(late.canceled) > 0; left != c.left || len(good.canceled) > 0 {
				t.Errorf("left at %v, the other at %v", late.canceled, good.canceled)
			}
		})
	}
}

// That another, which is as quick and comes first by ID, has nothing of what the dawdler was asked for does not keep it from being left for one
// that has it all.
func TestEndIsMovedThoughOneHasNoneOfIt(t *testing.T) {
	now := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(3, 128<<10), Have: func(int) bool { return false }})
	none, late, good := ident.NodeID{1}, ident.NodeID{2}, ident.NodeID{3}
	for i, id := range []ident.NodeID{none, late, good} {
		p.PeerUp(id, string(rune('a'+i)), now)
		p.PeerHas(id, i, now)
	}
	p.Next(now)
	now = now.Add(100 * time.Millisecond)
	p.Got(0, none, now)
	p.Got(2, good, now)
	p.PeerHas(good, 1, now)
	for begin := now; ; now = now.Add(SignEvery) {
		p.Alive(late, now)
		if e := p.Next(now); slices.Contains(e.Cancel, late) {
			return
		}
		if now.Sub(begin) > 2*tailLeast {
			t.Fatalf("not left after %v", now.Sub(begin))
		}
	}
}

// Nodes of a site whose ends dawdle do not wait for each other: what a mate is getting is asked for, too.
func TestEndOfASiteIsMoved(t *testing.T) {
	const rate, chunks = 2e6, 256
	for nodes := 1; nodes <= 3; nodes++ {
		s := newSim(t, chunksOf(chunks, 128<<10))
		s.addHost(false, honest, rate, all)
		late := s.addHost(false, honest, rate, all)
		s.after(3*time.Second, func() { late.rate = 4e3 })
		for range nodes {
			s.addNode()
		}
		s.startAll()
		ideal := time.Duration(chunks * (128 << 10) / rate * float64(time.Second)) // from one
		if took := s.run(time.Hour); took > ideal+2*tailLeast {
			t.Errorf("%d nodes took %v, one peer alone would %v", nodes, took, ideal)
		}
		if ratio := float64(s.uplink) / (chunks * 128 << 10); ratio > 1.05 {
			t.Errorf("%d nodes: the blob crossed the uplink %.2f times", nodes, ratio)
		}
	}
}

// Peers that share a thin link, of which each has now much of it and now little, are not left in turns: whoever has little was not
// asked for the end, or has its time. It costs neither time nor many bytes.
func TestPeersThatShareALinkDoNotDawdle(t *testing.T) {
	canceled, runs := 0, 0
	for seed := uint64(1); seed <= 40; seed++ {
		r := rand.New(rand.NewPCG(seed, 1))
		rate := math.Pow(10, 4.5+r.Float64()*2) // of the link, bytes a second
		chunks := 20 + r.IntN(150)
		var peers []*giver
		for k := range 2 + r.IntN(6) {
			peers = append(peers, &giver{site: fmt.Sprint("far ", k), delay: time.Duration(20+r.IntN(600)) * time.Millisecond})
		}
		share(r, rate, peers)
		ideal := time.Duration(float64(chunks*128<<10) / rate * float64(time.Second))
		if p := talk(t, chunks, ideal*3/2+time.Minute, peers...); !p.Done() {
			t.Errorf("seed %d: %d of %d chunks are missing after %v", seed, p.left, chunks, ideal*3/2+time.Minute)
		}
		for _, g := range peers {
			canceled += len(g.canceled)
		}
		runs++
	}
	t.Logf("left %d times in %d runs", canceled, runs)
	if canceled > runs {
		t.Errorf("peers were left %d times in %d runs", canceled, runs)
	}
}

// share has peers share a link of so many bytes a second, each in a proportion that changes every few seconds.
func share(r *rand.Rand, rate float64, peers []*giver) {
	weight := make([]float64, len(peers))
	var next time.Duration
	peers[0].silent = func(at time.Duration) bool { // is called first in each step
		if at >= next {
			next = at + time.Duration(1+r.IntN(10))*time.Second
			for k := range weight {
				weight[k] = math.Exp(r.NormFloat64())
			}
		}
		sum := 0.0
		for k, g := range peers {
			if len(g.queue) > 0 {
				sum += weight[k]
			}
		}
		for k, g := range peers {
			g.rate = rate * weight[k] / max(sum, weight[k])
		}
		return false
	}
}
