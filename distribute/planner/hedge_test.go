package planner

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

// A slow peer of the site does not make the fetch as slow as itself: the others give what it was asked for last, and little comes twice.
func TestSlowPeerIsHedged(t *testing.T) {
	const chunks = 512 // 16 MiB
	for _, c := range []struct{ fast, slow float64 }{{20e6, 2e5}, {20e6, 2e6}, {5e6, 1e5}} {
		s := newSim(t, chunksOf(chunks, 32<<10))
		s.addHost(true, honest, c.fast, all)
		s.addHost(true, honest, c.slow, all)
		n := s.addNode()
		s.after(0, func() { n.start("site") })
		took := s.run(time.Hour)
		most := time.Duration(chunks*32<<10/c.fast*float64(time.Second)) + 2*hedgeLeast
		t.Logf("%.1f and %.1f MB/s: %v, %d bytes twice", c.fast/1e6, c.slow/1e6, took, s.again)
		if took > most {
			t.Errorf("%.1f and %.1f MB/s: took %v, more than %v", c.fast/1e6, c.slow/1e6, took, most)
		}
		if s.again > 2*maxPiece {
			t.Errorf("%.1f and %.1f MB/s: %d bytes came twice", c.fast/1e6, c.slow/1e6, s.again)
		}
	}
}

// Whoever is slow, little comes twice, and none of it over the uplink: what the model of all other tests checks of each request.
func TestLittleComesTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, chunksOf(rapid.IntRange(1, 400).Draw(t, "chunks"), 32<<10))
		rate := rapid.SampledFrom([]float64{1e4, 1e5, 1e6, 1e7})
		locals := rapid.IntRange(1, 3).Draw(t, "locals")
		for range locals {
			part := rapid.IntRange(1, 3).Draw(t, "part")
			s.addHost(true, honest, rate.Draw(t, "rate"), func(i int) bool { return i%part == 0 })
		}
		s.addHost(true, honest, rate.Draw(t, "rate"), all)
		for range rapid.IntRange(0, 2).Draw(t, "others") {
			s.addHost(false, honest, rate.Draw(t, "rate"), all)
		}
		n := s.addNode()
		s.after(0, func() { n.start("site") })
		s.run(24 * time.Hour)
		if most := int64(1+locals) * maxPiece; s.again > most {
			t.Fatalf("%d bytes came twice, more than %d", s.again, most)
		}
	})
}

// One that was overtaken in all that it was asked for is asked to send no more, as soon as the last of it has come from another; not before.
func TestLoserIsCancelled(t *testing.T) {
	now := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(8, 64<<10), Have: func(int) bool { return false }})
	late, quick, third := ident.NodeID{1}, ident.NodeID{2}, ident.NodeID{3}
	asked := map[ident.NodeID][]int{}
	next := func(after time.Duration) Effects {
		now = now.Add(after)
		e := p.Next(now)
		for _, r := range e.Requests {
			for _, run := range r.Runs {
				for i := range run.Count {
					asked[r.Peer] = append(asked[r.Peer], run.First+i)
				}
			}
		}
		return e
	}
	has := func(id ident.NodeID, chunks ...int) {
		p.PeerUp(id, "s", now)
		for _, i := range chunks {
			p.PeerHas(id, i, now)
		}
	}
	has(late, 0, 1, 2, 3, 4, 5)
	next(0)
	has(quick, 0, 1, 2, 3, 4, 5, 6)
	has(third, 7)
	next(0)
	now = now.Add(100 * time.Millisecond)
	p.Got(6, quick, now)
	if e := next(0); len(e.Requests) > 0 {
		t.Fatalf("%v is asked for before it is late", e.Requests)
	}
	next(3 * time.Second)
	again := asked[quick][1:]
	if !slices.Equal(again, []int{4, 5, 2, 3, 0, 1}) {
		t.Fatalf("%v is asked for again", again)
	}
	for k, i := range again {
		if e := next(0); len(e.Cancel) > 0 {
			t.Fatalf("%v is cancelled when %d came", e.Cancel, k)
		}
		p.Got(i, quick, now)
	}
	if e := next(0); !slices.Equal(e.Cancel, []ident.NodeID{late}) {
		t.Errorf("%v is cancelled, of the others all has come", e.Cancel)
	}
}

// One that was overtaken in part is asked anew at once when who overtook it is stuck with the rest: whichever of them comes first by ID.
func TestOvertakenTakesOver(t *testing.T) {
	for _, late := range []ident.NodeID{{1}, {2}} {
		now, quick := time.Unix(1, 0), ident.NodeID{3 - late[0]}
		p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(4, 32<<10), Have: func(int) bool { return false }})
		p.PeerUp(late, "s", now)
		p.PeerHasAll(late, now)
		p.Next(now)
		p.PeerUp(quick, "s", now)
		p.PeerHasAll(quick, now)
		now = now.Add(3 * time.Second)
		if e := p.Next(now); e.asked(quick) != 4 {
			t.Fatalf("asked %+v", e.Requests)
		}
		p.Got(0, quick, now)
		now = now.Add(localStall)
		if e := p.Next(now); len(e.Cancel) != 2 || e.asked(late) != 3 {
			t.Errorf("of node %d, which was late, 3 chunks are to be asked anew; %v are cancelled, and asked is %+v", late[0], e.Cancel, e.Requests)
		}
	}
}

// What somebody of another site sends a little of now and then is asked of a mate that has it by now, once nothing else is left.
func TestMateOvertakesTheUplink(t *testing.T) {
	begin := time.Unix(1, 0)
	far, mate := ident.NodeID{1}, ident.NodeID{2}
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(1, 128<<10), Have: func(int) bool { return false }})
	p.PeerUp(far, "x", begin)
	p.PeerHasAll(far, begin)
	if e := p.Next(begin); len(e.Requests) != 1 {
		t.Fatalf("of the only one is asked %+v", e.Requests)
	}
	now := begin.Add(25 * time.Second)
	p.Alive(far, now)
	p.PeerUp(mate, "s", now)
	p.PeerHasAll(mate, now)
	if e := p.Next(now); len(e.Requests) != 1 || e.Requests[0].Peer != mate {
		t.Fatalf("when the mate has it is asked %+v", e.Requests)
	}
	p.Got(0, mate, now)
	if !p.Done() || len(p.Taking()) > 0 {
		t.Errorf("done: %v, and it says that it is getting %v", p.Done(), p.Taking())
	}
}
