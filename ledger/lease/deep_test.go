package lease

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDeep plays long random histories of a site: crashes, disks put back, cuts, suspends, loss, yields, changes of
// the voters. The site judges each moment; when the trouble ends there is a leader again, in time.
func TestDeep(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		nodes := rapid.IntRange(3, 5).Draw(rt, "nodes")
		s := newSite(rt, rapid.Uint64().Draw(rt, "seed"), nodes, rapid.SampledFrom([]int{1, 3, nodes}).Draw(rt, "voters"))
		first := make([][]byte, nodes)
		for i, n := range s.nodes {
			first[i] = n.disk
		}
		s.delay = rapid.SampledFrom([]time.Duration{time.Millisecond, 300 * time.Millisecond, 3 * time.Second}).Draw(rt, "delay")
		for range rapid.IntRange(5, 40).Draw(rt, "steps") {
			s.trouble(rt, first)
			s.run(time.Duration(rapid.Int64Range(0, int64(6*time.Second)).Draw(rt, "pause")), nil)
		}
		s.heal()
		within := s.set.Acceptance()*2 + s.set.Authority + 3*time.Second // mute, an old lease, and what a fail-over takes
		if took, ok := s.run(within, func() bool { return s.leader() >= 0 }); !ok && !s.rollback {
			t.Fatalf("no leader %v after the trouble ended", took)
		}
		if !s.rollback {
			s.agree()
		}
	})
}

// trouble makes one thing happen to the site.
func (s *site) trouble(rt *rapid.T, first [][]byte) {
	i := rapid.IntRange(0, len(s.nodes)-1).Draw(rt, "node")
	n := s.nodes[i]
	switch rapid.IntRange(0, 10).Draw(rt, "trouble") {
	case 0:
		s.crash(i)
	case 1, 2:
		s.crash(i)
		s.start(i)
	case 3:
		// A disk that goes back over a change of the voters is more than the lease stands.
		if s.highest.Epoch <= 1 && n.m.Config().Epoch <= 1 && !s.changed() {
			s.crash(i)
			n.disk, s.rollback = first[i], true
			s.start(i)
		}
	case 4:
		for j := range s.nodes {
			s.cut[[2]int{i, j}] = rapid.Bool().Draw(rt, "cut")
			s.cut[[2]int{j, i}] = rapid.Bool().Draw(rt, "cut")
		}
	case 5:
		clear(s.cut)
	case 6:
		n.until = s.now + time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(rt, "suspend"))
	case 7:
		s.loss = rapid.Float64Range(0, 0.6).Draw(rt, "loss")
	case 8:
		if !n.down {
			s.do(i, n.m.Yield(s.clock(i)))
		}
	case 9:
		if !n.down {
			s.do(i, n.m.Renumber(s.clock(i)))
		}
	default:
		s.change(rt)
	}
}

func (s *site) changed() bool {
	for _, n := range s.nodes {
		if n.m.Config().Epoch > 1 || n.m.rec.Pending != nil || n.m.try.change != nil {
			return true
		}
	}
	return false
}

// change has the leader, if there is one, let a node in or out.
func (s *site) change(rt *rapid.T) {
	lead := s.leader()
	if lead < 0 || s.rollback || s.nodes[lead].until > s.now {
		return
	}
	m := s.nodes[lead].m
	other := rapid.IntRange(0, len(s.nodes)-1).Draw(rt, "other")
	var want []Voter
	for i := range s.nodes {
		if has(m.Config().Voters, nodeID(i)) != (i == other) {
			want = append(want, Voter{Node: nodeID(i)})
		}
	}
	fx, _ := m.Change(s.clock(lead), want) // it may refuse
	s.do(lead, fx)
}

func (s *site) heal() {
	clear(s.cut)
	s.loss, s.delay = 0, 5*time.Millisecond
	for i, n := range s.nodes {
		n.until = min(n.until, s.now)
		if n.down {
			s.start(i)
		}
	}
}

// agree wants one set of voters in each epoch.
func (s *site) agree() {
	known := map[uint64]Config{}
	for i, n := range s.nodes {
		c := n.m.Config()
		if other, ok := known[c.Epoch]; ok && !other.equal(c) {
			s.t.Fatalf("node %d has other voters in epoch %d", i, c.Epoch)
		}
		known[c.Epoch] = c
		for _, a := range n.alarms {
			s.t.Fatalf("node %d: %v", i, a.Kind)
		}
	}
}
