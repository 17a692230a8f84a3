package gossip

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// TestIdleTraffic measures 3 sites of 3 nodes, all of which are neighbours, while nothing happens.
// Bytes are those written to streams; -v prints them.
func TestIdleTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(Linger) })
		f := newFleet(3, 3, true)
		defer f.close()
		var mu sync.Mutex
		measuring := false
		bytes := map[string]int{}
		f.net.spy = func(from, to ident.NodeID, protocol string, b []byte) {
			mu.Lock()
			defer mu.Unlock()
			if !measuring {
				return
			}
			where := " across"
			if from[0] == to[0] {
				where = " within"
			}
			bytes[protocol[:strings.LastIndexByte(protocol, '/')]+where] += len(b)
		}
		f.admit()
		for _, n := range f.nodes {
			f.startMembership(t, n)
		}
		f.pairs(all, f.link)
		f.converge(t, time.Minute)
		time.Sleep(2 * time.Minute)
		mu.Lock()
		measuring = true
		mu.Unlock()

		const idle = 30 * time.Minute
		time.Sleep(idle)
		mu.Lock()
		defer mu.Unlock()
		total := 0.0
		for what, n := range bytes {
			rate := float64(n) / idle.Seconds() / float64(len(f.nodes))
			total += rate
			t.Logf("%-32s %6.1f bytes/s per node", what, rate)
		}
		t.Logf("%-32s %6.1f bytes/s per node", "all", total)
		if total > 300 {
			t.Errorf("%.1f bytes/s per node while idle, want at most 300", total)
		}
	})
}

func (f *testFleet) startMembership(t *testing.T, n *testNode) {
	t.Helper()
	m, err := NewMembership(MembershipConfig{
		Network: n.port, Self: n.id,
		InSite: func(id ident.NodeID) bool { return id[0] == n.id[0] },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, o := range f.nodes {
		if o.site == n.site {
			m.Join(o.id)
		}
	}
}
