package mesh

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"selvage/internal/ident"
)

const (
	peersProtocol = "/selvage/peers/1"
	maxForeign    = 16 // nodes of other sites that are told of
)

func randomShare() float64 { return rand.Float64() }

// servePeers tells a peer of the nodes that this host knows: all of its site, some of others.
func (h *Host) servePeers(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(HelloTimeout)); err != nil {
		return
	}
	if err := h.codec.write(conn, h.list(from)); err != nil {
		h.log.Debug("mesh: cannot tell of peers", "node", from, "err", err)
	}
}

// list picks what to tell a peer.
func (h *Host) list(from ident.NodeID) []listed {
	h.mu.Lock()
	defer h.mu.Unlock()
	site := ""
	if links := h.peers[from]; len(links) > 0 {
		site = links[0].peer.Site
	}
	out, foreign := []listed{}, 0
	for id, k := range h.known {
		if id == from || k.site == "" || len(k.addrs) == 0 || k.fails > 0 || len(out) >= maxListed {
			continue
		}
		if k.site != site {
			if foreign++; foreign > maxForeign {
				continue
			}
		}
		out = append(out, listed{id[:], k.site, k.addrs})
	}
	return out
}

// askPeers takes in whom a peer knows. What it says is only tried out: who answers at an address
// has to prove its key and show its credential.
func (h *Host) askPeers(id ident.NodeID) {
	ctx, cancel := context.WithTimeout(h.ctx, HelloTimeout)
	defer cancel()
	conn, err := h.Open(ctx, id, peersProtocol)
	if err != nil {
		return
	}
	defer conn.Close()
	var all []listed
	if conn.SetReadDeadline(time.Now().Add(HelloTimeout)) != nil {
		return
	}
	if err := h.codec.read(conn, maxPeers, &all); err != nil {
		h.log.Debug("mesh: cannot read peers", "node", id, "err", err)
		return
	}
	for _, l := range all {
		if len(l.Node) == len(ident.NodeID{}) && len(l.Site) <= maxProtocol && checkAddrs(l.Addrs) == nil {
			h.note(ident.NodeID(l.Node), l.Site, l.Addrs...)
		}
	}
}
