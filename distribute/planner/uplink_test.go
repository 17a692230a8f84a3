package planner

import (
	"testing"
	"time"
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
