package mesh

import (
	"context"
	"net"
	"time"

	"selvage/internal/ident"
)

const (
	peersProtocol = "/selvage/peers/1"
	maxForeign    = 16 // nodes of other sites that are told of
)

// servePeers tells a peer of the nodes that this host knows: all of its site, some of others.
func (h *Host) servePeers(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(HelloTimeout)); err != nil {
		return
	}
	if err := h.codec.write(conn, maxPeers, h.list(from)); err != nil {
		h.log.Debug("mesh: cannot tell of peers", "node", from, "err", err)
	}
}

// list picks what to tell a peer: nodes that were admitted here, and answered last time. Those of
// the peer's site come first, and as many as the frame holds.
func (h *Host) list(to ident.NodeID) []listed {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.members[to]
	if m == nil {
		return []listed{}
	}
	mates, foreign := []listed{}, []listed{}
	for id, k := range h.known {
		if k.trust < met {
			continue // of a large fleet that is nearly all
		}
		addrs := k.addrs()
		addrs = addrs[:min(len(addrs), maxAddrs)]
		switch l := (listed{id[:], k.site, addrs}); {
		case id == to || h.isShunned(id) || len(addrs) == 0 || k.fails > 0 || len(k.site) > maxSite:
		case k.site == m.peer.Site:
			mates = append(mates, l)
		case len(foreign) < maxForeign: // any: the order of a map is good enough
			foreign = append(foreign, l)
		}
	}
	room := maxPeers - 16
	for i, l := range append(mates, foreign...) {
		room -= len(l.Node) + len(l.Site) + 32 // CBOR's heads
		for _, a := range l.Addrs {
			room -= len(a) + 4
		}
		if room < 0 || i >= maxListed {
			return append(mates, foreign...)[:i]
		}
	}
	return append(mates, foreign...)
}

// askPeers takes in whom a peer knows. What it says is only tried out: who answers at an address
// has to prove its key and show its credential.
func (h *Host) askPeers(id ident.NodeID) {
	ctx, cancel := context.WithTimeout(h.ctx, HelloTimeout)
	defer cancel()
	conn, err := h.Open(ctx, id, peersProtocol)
	if err != nil {
		return // it is gone again
	}
	defer conn.Close()
	if conn.SetReadDeadline(time.Now().Add(HelloTimeout)) != nil {
		return
	}
	all, err := h.codec.readList(conn)
	if err != nil {
		h.log.Debug("mesh: cannot read peers", "node", id, "err", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range all {
		h.overheard(l)
	}
	h.wake()
}
