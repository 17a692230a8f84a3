package mesh

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"

	"selvage/internal/ident"
)

// headTimeout bounds how long an accepted stream may take to name its protocol.
const headTimeout = 10 * time.Second

// accept serves a stream that a peer opened.
func (h *Host) accept(s network.Stream) {
	h.mu.Lock()
	l := h.links[s.Conn()]
	if l == nil || h.closed {
		h.mu.Unlock()
		_ = s.Reset() // nobody to tell
		return
	}
	h.wg.Add(1)
	h.mu.Unlock()
	defer h.wg.Done()
	if err := s.SetReadDeadline(time.Now().Add(headTimeout)); err != nil {
		_ = s.Reset()
		return
	}
	protocol, err := readProtocol(s)
	if err != nil {
		_ = s.Reset()
		return
	}
	if protocol == helloProtocol {
		l.serveHello(s)
		return
	}
	h.serve(l, s, protocol)
}

// serve hands a stream to its protocol's handler, once the peer is admitted.
func (h *Host) serve(l *link, s network.Stream, protocol string) {
	select {
	case <-l.ready: // our end of the handshake may still be on its last step
	case <-h.ctx.Done():
	}
	h.mu.Lock()
	serve, admitted := h.handlers[protocol], l.done && l.err == nil
	h.mu.Unlock()
	if !admitted || serve == nil || s.SetReadDeadline(time.Time{}) != nil {
		_ = s.Reset()
		return
	}
	serve(l.remote, h.wrap(l, s, protocol))
}

// wrap shapes a stream that crosses the uplink.
func (h *Host) wrap(l *link, s network.Stream, protocol string) *stream {
	w := newStream(s)
	if l.peer.Site != h.cfg.Site {
		w.up, w.down, w.bulk = h.up, h.down, slices.Contains(h.cfg.Bulk, protocol)
	}
	return w
}

// Open opens a stream to a node, dialling it if need be. The error's chain has ErrUnknown if the
// node cannot be reached, ErrHeld if the uplink is held, or a *Refusal.
func (h *Host) Open(ctx context.Context, to ident.NodeID, protocol string) (net.Conn, error) {
	l, err := h.link(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", to.Short(), err)
	}
	s, err := l.conn.NewStream(ctx)
	if err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", to.Short(), err)
	}
	w := h.wrap(l, s, protocol)
	if deadline, ok := ctx.Deadline(); ok {
		err = s.SetWriteDeadline(deadline)
	}
	if err == nil {
		err = writeProtocol(s, protocol)
	}
	if err == nil {
		err = s.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		_ = w.Reset()
		return nil, fmt.Errorf("open stream to %s: %w", to.Short(), err)
	}
	return w, nil
}

// link returns an admitted connection with a node.
func (h *Host) link(ctx context.Context, to ident.NodeID) (*link, error) {
	h.mu.Lock()
	if links := h.peers[to]; len(links) > 0 {
		defer h.mu.Unlock()
		return links[len(links)-1], nil
	}
	k := h.known[to]
	if k == nil || len(k.addrs) == 0 || h.closed {
		h.mu.Unlock()
		return nil, ErrUnknown
	}
	if h.uplink.Held && k.site != "" && k.site != h.cfg.Site {
		h.mu.Unlock()
		return nil, ErrHeld
	}
	addrs := slices.Clone(k.addrs)
	h.mu.Unlock()
	return h.dial(ctx, to, addrs)
}

// dial connects to a node and waits for the handshake.
func (h *Host) dial(ctx context.Context, to ident.NodeID, addrs []string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*HelloTimeout)
	defer cancel()
	store, id := h.swarm.Peerstore(), to.Peer()
	store.ClearAddrs(id)
	for _, a := range addrs {
		if m, err := ma.NewMultiaddr(a); err == nil {
			store.AddAddr(id, m, peerstore.TempAddrTTL)
		}
	}
	h.swarm.Backoff().Clear(id) // the host has its own
	c, err := h.swarm.DialPeer(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	h.mu.Lock()
	l := h.links[c]
	h.mu.Unlock()
	if l == nil {
		return nil, ErrUnknown
	}
	select {
	case <-l.ready:
		return l, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// connect dials whom choose says, when something has changed and once a second.
func (h *Host) connect() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	saved := time.Now()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.poke:
		case <-tick.C:
		}
		for _, id := range h.choices() {
			h.wg.Go(func() { h.tryDial(id) })
		}
		if time.Since(saved) > 5*time.Second {
			h.saveBook()
			saved = time.Now()
		}
	}
}

func (h *Host) wake() {
	select {
	case h.poke <- struct{}{}:
	default: // it is about to look anyway
	}
}

// choices marks whom to dial as being dialled.
func (h *Host) choices() []ident.NodeID {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	now := time.Now()
	all := make([]candidate, 0, len(h.known))
	for id, k := range h.known {
		until, banned := h.banned[id]
		ready := len(k.addrs) > 0 && !k.dialling && !now.Before(k.next) && (!banned || now.After(until))
		all = append(all, candidate{id, k.site, len(h.peers[id]) > 0 || k.dialling, ready})
	}
	dial := choose(h.self, h.cfg.Site, all, h.uplink.Held)
	for _, id := range dial {
		h.known[id].dialling = true
	}
	return dial
}

// tryDial dials a node once, and backs off if that fails.
func (h *Host) tryDial(id ident.NodeID) {
	h.mu.Lock()
	addrs := slices.Clone(h.known[id].addrs)
	h.mu.Unlock()
	_, err := h.dial(h.ctx, id, addrs)
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.known[id]
	k.dialling = false
	if err == nil {
		k.fails = 0
		return
	}
	k.fails++
	k.next = time.Now().Add(backoff(k.fails, randomShare()))
	h.log.Debug("mesh: cannot reach", "node", id, "err", err)
}

// PeerInfo is a connected, admitted peer.
type PeerInfo struct {
	Peer
	Addr string // multiaddr of its end
	RTT  time.Duration
}

// Peers returns the connected peers, by site and name.
func (h *Host) Peers() []PeerInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []PeerInfo
	for _, links := range h.peers {
		l := links[len(links)-1]
		out = append(out, PeerInfo{l.peer, l.conn.RemoteMultiaddr().String(), l.rtt()})
	}
	slices.SortFunc(out, func(a, b PeerInfo) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name, b.Name), a.ID.Compare(b.ID))
	})
	return out
}

// Traffic counts bytes of QUIC packets since the host started, without UDP and IP headers.
// Connections that were never admitted count as uplink.
type Traffic struct{ UplinkUp, UplinkDown, LANUp, LANDown int64 }

func (t *Traffic) add(o Traffic) {
	t.UplinkUp += o.UplinkUp
	t.UplinkDown += o.UplinkDown
	t.LANUp += o.LANUp
	t.LANDown += o.LANDown
}

// Traffic returns the counts.
func (h *Host) Traffic() Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.past
	for _, l := range h.links {
		if l.done {
			sum.add(l.traffic())
		}
	}
	return sum
}
