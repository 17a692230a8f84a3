package planner

import (
	"testing"
	"time"
)

// carrying counts the nodes that got something over the uplink.
func (s *sim) carrying() (n int) {
	for _, node := range s.nodes {
		n += kindOf(node.carried > 0)
	}
	return n
}

// However many a site has, few of its nodes use the uplink.
func TestCrew(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 16} {
		s := newSim(t, chunksOf(600, 32<<10))
		s.addHost(false, honest, 1e6, all)
		for range nodes {
			s.addNode()
		}
		s.startAll()
		s.run(time.Hour)
		if n := s.carrying(); n != min(nodes, crewSize) {
			t.Errorf("%d of %d nodes got something over the uplink", n, nodes)
		}
		if ratio := float64(s.uplink) / (600 * 32 << 10); ratio > 1.01 {
			t.Errorf("%d nodes: the blob crossed the uplink %.3f times", nodes, ratio)
		}
	}
}

// Who dies of the crew is followed by one, not by all, also where a chunk takes longer than TakeOver.
func TestCrewIsFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		chunks int
		rate   float64
		dies   time.Duration
		most   float64 // times over the uplink
	}{
		"quick": {1200, 1e6, 3 * time.Second, 1.05},
		"thin":  {40, 2e3, time.Minute, 1.2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, chunksOf(c.chunks, 32<<10))
			s.addHost(false, honest, c.rate, all)
			for range 12 {
				s.addNode()
			}
			s.startAll()
			s.after(c.dies, func() {
				for _, n := range s.nodes {
					if len(n.asked) > 0 && n.carriesNow() {
						n.die()
						return
					}
				}
				t.Error("nobody carries")
			})
			s.run(6 * time.Hour)
			if n := s.carrying(); n > crewSize+1 {
				t.Errorf("%d nodes got something over the uplink", n)
			}
			if ratio := float64(s.uplink) / float64(c.chunks*32<<10); ratio > c.most {
				t.Errorf("the blob crossed the uplink %.3f times", ratio)
			}
		})
	}
}

// carriesNow reports whether the node is asking another site for something.
func (n *simNode) carriesNow() bool {
	for _, from := range n.asked {
		if q := n.plan.peers[from]; !q.local {
			return true
		}
	}
	return false
}

// A site of which only one reaches others gets the blob by that one, whichever it is.
func TestCrewOfOne(t *testing.T) {
	const nodes, size = 8, 600 * 32 << 10
	for reaches := range nodes {
		s := newSim(t, chunksOf(600, 32<<10))
		s.addHost(false, honest, 1e6, all)
		for k := range nodes {
			s.addNode().cutOff = k != reaches
		}
		s.startAll()
		took := s.run(time.Hour)
		if limit := size*time.Microsecond*11/10 + nodes/crewSize*TakeOver; took > limit {
			t.Errorf("by %d: %v, more than %v", reaches, took, limit)
		}
		if s.uplink != size {
			t.Errorf("by %d: %d bytes over the uplink of %d", reaches, s.uplink, size)
		}
	}
}
