package mesh

import (
	"maps"

	"selvage/internal/ident"
)

// Shun sets whom the host has nothing to do with any more: connections with them are closed, none is dialled, and no
// other peer is told of them. That they are not let in, and why, is for the gate to say; who is shunned after it has let them in, and before
// they have ended the handshake, is not let in either. Who is left out later is as others are.
func (h *Host) Shun(ids []ident.NodeID) {
	shunned := make(map[ident.NodeID]bool, len(ids))
	for _, id := range ids {
		shunned[id] = true
	}
	h.mu.Lock()
	news := !maps.Equal(h.shunned, shunned)
	h.shunned = shunned
	links := h.linksWith(func(m *member) bool { return shunned[m.peer.ID] })
	h.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	if news {
		h.wake()
	}
}

// Retire closes all connections, for good: none is dialled, and nobody is let in.
func (h *Host) Retire() {
	h.mu.Lock()
	h.retired = true
	links := h.linksWith(func(*member) bool { return true })
	h.mu.Unlock()
	for _, l := range links {
		l.close()
	}
}

// linksWith returns the connections with some members. The caller holds mu.
func (h *Host) linksWith(whom func(*member) bool) (out []*link) {
	for _, m := range h.members {
		if whom(m) {
			out = append(out, m.links...)
		}
	}
	return out
}

// isShunned reports whether the host has nothing to do with a node. The caller holds mu.
func (h *Host) isShunned(id ident.NodeID) bool { return h.retired || h.shunned[id] }

var errShunned = &Refusal{Code: CodeCredential, Text: "this node has nothing to do with it any more"}
