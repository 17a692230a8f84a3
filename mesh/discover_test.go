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

// TestDiscoveryWithANewAddress: a machine that was without a network for long is announced soon after it has an address, and not only when
// what had failed so often would have been tried again.
func TestDiscoveryWithANewAddress(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		b := start(t, nw.config("b", "s1", "10.0.0.2"))
		d, cfg := &fakeDiscovery{finds: b.Addrs()[0], fail: 1 << 20}, nw.config("a", "s1", "10.0.0.1")
		cfg.Discovery = d
		a := start(t, cfg)
		time.Sleep(4*time.Hour + 10*time.Minute)
		d.mu.Lock()
		tried := d.starts
		d.fail = 0
		d.mu.Unlock()
		if tried > 12 {
			t.Errorf("discovery was tried %d times in four hours", tried)
		}
		if err := a.listenOn("10.0.0.1:4002"); err != nil {
			t.Fatal(err)
		}
		if took := soon(t, "a finds b", 2*time.Hour, func() bool { return a.knows(b) }); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		closeAll(a, b)
	})
}
