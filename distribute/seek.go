package distribute

import (
	"time"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// How long nothing may come before a task looks for sources beyond the connected peers. A whole fleet may want a blob that
// one site has: if all of its nodes called there, the uplink of that site would carry handshakes, and hardly any of the blob.
const (
	seekSoon = 2 * time.Second  // while no peer of another site has or gets any of the blob,
	seekTurn = 3 * time.Second  // and so much longer for each mate that is to look first
	seekLate = planner.TakeOver // likewise, both, while one does: it may have the rest to give soon
	seekMost = 2                // nodes that are dialled at a time
)

// seek dials nodes that are said to have the blob, some each time, if nothing has come for long enough; that they are up
// is told by the network.
func (t *task) seek() {
	if !t.due(time.Now()) {
		return
	}
	all := t.swarm.cfg.Providers(t.object.Digest)
	t.mu.Lock()
	defer t.mu.Unlock()
	chosen := t.strangers(all)
	if len(chosen) == 0 {
		return
	}
	t.seeking = true
	t.wg.Go(func() {
		for _, id := range chosen {
			if _, err := t.swarm.ask(t.ctx, id, t.object.Digest); err != nil {
				t.swarm.log.Debug("distribute: cannot reach a provider", "node", id, "err", err)
			}
		}
		t.mu.Lock()
		t.seeking = false
		t.mu.Unlock()
	})
}

// due reports whether it is time to seek, and counts that as done.
func (t *task) due(now time.Time) bool {
	turn := time.Duration(t.turn())
	t.mu.Lock()
	defer t.mu.Unlock()
	pause := seekSoon + turn*seekTurn
	if t.expects() {
		pause = seekLate + turn*seekLate
	}
	if t.seeking || now.Sub(t.sought) < pause {
		return false
	}
	t.sought = now
	return true
}

// expects reports whether a peer of another site has, or gets, any of the blob. The caller holds mu.
func (t *task) expects() bool {
	for id, src := range t.sources {
		if !src.n.local && !t.bad[id] && (src.wants || src.listed) {
			return true
		}
	}
	return false
}

// strangers returns the next of all that are not connected. The caller holds mu.
func (t *task) strangers(all []ident.NodeID) (chosen []ident.NodeID) {
	for range all {
		id := all[t.next%len(all)]
		t.next++
		if id != t.swarm.cfg.Self && t.sources[id] == nil {
			chosen = append(chosen, id)
		}
		if len(chosen) == seekMost {
			break
		}
	}
	return chosen
}
