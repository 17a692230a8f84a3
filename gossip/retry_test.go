package gossip

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestMatesAreTriedAgain: after sessions with a mate have failed for long, as a disk was full, the next is soon; with a node of another site
// it may be as far away as if all were well.
func TestMatesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 3, false)
		defer f.close()
		a, mate, far := f.nodes[0], f.nodes[1], f.nodes[5]
		f.link(a, mate)
		f.link(a, far)
		longest := func(of *testNode) (most time.Duration) {
			a.rep.mu.Lock()
			p := a.rep.peers[of.id]
			a.rep.mu.Unlock()
			for range 200 {
				a.rep.retry(p)
				a.rep.mu.Lock()
				most = max(most, time.Until(p.next))
				a.rep.mu.Unlock()
			}
			return most
		}
		if d := longest(mate); d > 2*matesRetry {
			t.Errorf("a mate is tried again after %v", d)
		}
		if d := longest(far); d <= 2*matesRetry {
			t.Errorf("a node of another site is tried again after %v already", d)
		}
	})
}
