package mesh

import (
	"slices"

	"selvage/internal/ident"
)

// listener is one who asked for peers that come and go, and what it was told last.
type listener struct {
	f    func(p Peer, up bool)
	told map[ident.NodeID]*member // of those that are up, for it
}

// OnPeer has f called when an admitted peer came (up) or went, one call at a time. For each peer
// the two alternate, up first; a peer that has restarted goes and comes. If f is slow, a peer that
// came and went, or went and came, and went again meanwhile is told of once or not at all. Those
// that are there already are told of at once.
func (h *Host) OnPeer(f func(p Peer, up bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listeners = append(h.listeners, &listener{f: f, told: map[ident.NodeID]*member{}})
	for id := range h.members {
		h.tell(id)
	}
}

// tell has the listeners told what has become of a node. What waits is bounded: it is one entry
// for each node, and no call. The caller holds mu.
func (h *Host) tell(id ident.NodeID) {
	if len(h.listeners) > 0 && !slices.Contains(h.changed, id) {
		h.changed = append(h.changed, id)
	}
	select {
	case h.news <- struct{}{}:
	default: // dispatch is about to look
	}
}

// dispatch calls the listeners, without a lock.
func (h *Host) dispatch() {
	for {
		call := h.next()
		if call == nil {
			select {
			case <-h.ctx.Done():
				return
			case <-h.news:
			}
			continue
		}
		if h.ctx.Err() != nil {
			return
		}
		call()
	}
}

// next returns the next call of a listener; nil if all of them know everything.
func (h *Host) next() func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.changed) > 0 {
		id := h.changed[0]
		now := h.members[id]
		for _, l := range h.listeners {
			switch was := l.told[id]; {
			case was == now:
			case was != nil:
				delete(l.told, id)
				return func() { l.f(was.peer, false) }
			default:
				l.told[id] = now
				return func() { l.f(now.peer, true) }
			}
		}
		h.changed = h.changed[1:]
	}
	h.changed = nil
	return nil
}
