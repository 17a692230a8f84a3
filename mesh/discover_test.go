package mesh

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// fakeDiscovery finds one address, and fails as often as it is told to.
type fakeDiscovery struct {
	mu             sync.Mutex
	finds          string
	fail           int
	starts, stops  int
	lastAnnounced  []string
	lastAnnouncing ident.NodeID
}

func (d *fakeDiscovery) Start(self ident.NodeID, addrs []string, found func(string)) (func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.starts++
	d.lastAnnouncing, d.lastAnnounced = self, addrs
	if d.starts <= d.fail {
		return nil, errors.New("no multicast")
	}
	found(d.finds)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stops++
	}, nil
}

func TestDiscoveryFindsNodes(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		b := start(t, nw.config("b", "s1", "10.0.0.2"))
		d, cfg := &fakeDiscovery{finds: b.Addrs()[0], fail: 3}, nw.config("a", "s1", "10.0.0.1")
		cfg.Discovery = d
		a := start(t, cfg)
		took := soon(t, "a finds b", 10*time.Minute, func() bool { return a.knows(b) })
		synctest.Wait()
		d.mu.Lock()
		if d.starts != 4 || took < time.Minute {
			t.Errorf("discovery was tried %d times in %v", d.starts, took)
		}
		d.mu.Unlock()
		time.Sleep(time.Hour)
		d.mu.Lock()
		if d.starts != 4 || d.stops != 0 || d.lastAnnouncing != a.self || d.lastAnnounced[0] != a.Addrs()[0] {
			t.Errorf("after an hour: %+v", d)
		}
		d.mu.Unlock()
		closeAll(a, b)
		if d.stops != 1 {
			t.Error("discovery was not stopped")
		}
	})
}
