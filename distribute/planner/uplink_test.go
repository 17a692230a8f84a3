package planner

import (
	"testing"
	"time"

	"selvage/internal/ident"
)

// While the uplink is closed to it nobody asks across it, what the site has is shared, and once it is open all goes on, each piece once.
func TestClosedUplink(t *testing.T) {
	for mirror, closes := range map[bool]time.Duration{false: 6 * time.Second, true: MirrorPatience + 3*time.Second} {
		s := newSim(t, chunksOf(400, 32<<10))
		if mirror {
			s.addMirror(honest, 2e5)
		} else {
			s.addHost(false, honest, 2e5, all)
		}
		s.addHost(true, honest, 1e7, func(i int) bool { return i%4 == 0 })
		for range 4 {
			s.addNode()
		}
		s.startAll()
		open := func(open bool) {
			for _, n := range s.nodes {
				n.each(func(p *Planner) { p.Uplink(open, s.now) })
				n.decide()
			}
		}
		s.after(closes, func() { open(false) })
		var before int64
		s.after(43*time.Second, func() {
			before = s.uplink
			for _, n := range s.nodes {
				for i := 0; i < len(n.have); i += 4 {
					if !n.have[i] {
						t.Fatalf("chunk %d did not come from the site", i)
					}
				}
			}
		})
		s.after(2*time.Hour, func() {
			if s.uplink != before {
				t.Errorf("mirror %v: %d bytes came while it was closed", mirror, s.uplink-before)
			}
			open(true)
		})
		s.run(2*time.Hour + 5*time.Minute)
		if ratio := float64(s.uplink) / (300 * 32 << 10); before == 0 || ratio > 1.03 {
			t.Errorf("mirror %v: crossed the uplink %.3f times, %d bytes before it was closed", mirror, ratio, before)
		}
	}
}

// A peer that was asked for something before the uplink closed has its time once it is open, and is not taken to be as slow as if it had sent
// all the while.
func TestOpenedUplinkGivesTime(t *testing.T) {
	const size = 32 << 10
	begin := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(3, size), Have: func(int) bool { return false }})
	asked, other := ident.NodeID{1}, ident.NodeID{2}
	for id, run := range map[ident.NodeID]Run{asked: {0, 2}, other: {2, 1}} {
		p.PeerUp(id, string(id[:1]), begin)
		p.PeerHasRun(id, run, begin)
	}
	p.Next(begin)
	now := begin.Add(100 * time.Millisecond)
	p.Got(0, asked, now)
	p.Got(2, other, now)
	p.PeerHas(other, 1, now)
	p.Uplink(false, now)
	p.Next(now)
	now = now.Add(time.Hour)
	p.Uplink(true, now)
	for range 10 {
		if e := p.Next(now); len(e.Cancel) > 0 {
			t.Fatalf("left %v after it was opened", now.Sub(begin)-time.Hour)
		}
		now = now.Add(100 * time.Millisecond)
	}
	p.Got(1, asked, now)
	if q := p.peers[asked]; q.rate < size/2 || q.delay > 2*time.Second {
		t.Errorf("it is taken to give %.0f bytes/s, and to answer after %v", q.rate, q.delay)
	}
}
