package mesh

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"selvage/internal/ident"
)

// headTimeout bounds how long an accepted stream may take to name its protocol.
const headTimeout = 10 * time.Second

// accept serves a stream that a peer opened; QUIC lets it have 256 at a time.
func (h *Host) accept(s network.Stream) {
	h.mu.Lock()
	l := h.links[s.Conn()]
	if l == nil || h.closed || !l.done && l.waiting >= maxWaiting {
		h.mu.Unlock()
		_ = s.Reset() // nobody to tell
		return
	}
	l.waiting++
	h.wg.Add(1)
	h.mu.Unlock()
	defer h.wg.Done()
	protocol := l.await(s)
	h.mu.Lock()
	l.waiting--
	serve, admitted := h.handlers[protocol], l.done && l.err == nil
	h.mu.Unlock()
	switch {
	case protocol == helloProtocol:
		l.serveHello(s)
	case !admitted || serve == nil || s.SetReadDeadline(time.Time{}) != nil:
		_ = s.Reset()
	default:
		serve(l.remote, h.wrap(l, s, protocol))
	}
}

// await reads what protocol a stream is for, and waits until its link is settled: the peer may know
// of its admission before this end has done its last step. It returns "" if the stream is no good.
func (l *link) await(s network.Stream) string {
	if s.SetReadDeadline(time.Now().Add(headTimeout)) != nil {
		return ""
	}
	protocol, err := readProtocol(s)
	if err != nil {
		return ""
	}
	if protocol != helloProtocol {
		<-l.ready // it is settled within HelloTimeout, and when the connection ends
	}
	return protocol
}

// wrap shapes a stream that crosses the uplink.
func (h *Host) wrap(l *link, s network.Stream, protocol string) net.Conn {
	switch {
	case l.peer.Site == h.cfg.Site:
		return stream{s}
	case slices.Contains(h.cfg.Bulk, protocol):
		l.bulk.Store(time.Now().UnixNano())
		return newBulkStream(stream{s}, h.up, h.down, l.gone, &l.bulk)
	default:
		return controlStream{stream{s}, h.up, h.down}
	}
}

// Open opens a stream to a node, dialling it if need be. The error's chain has ErrUnknown if the
// node cannot be reached, ErrHeld if the uplink is held, or a *Refusal.
func (h *Host) Open(ctx context.Context, to ident.NodeID, protocol string) (net.Conn, error) {
	l, err := h.reach(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", to.Short(), err)
	}
	s, err := l.conn.NewStream(ctx)
	if err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", to.Short(), err)
	}
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
		_ = s.Reset() // the first error says what is wrong
		return nil, fmt.Errorf("open stream to %s: %w", to.Short(), err)
	}
	h.tellDebug(ctx, "mesh: stream", to, "protocol", protocol)
	return h.wrap(l, s, protocol), nil
}

// tellDebug logs a message to a peer at debug level. It costs nothing if nobody wants to know.
func (h *Host) tellDebug(ctx context.Context, what string, peer ident.NodeID, key, value string) {
	if h.log.Enabled(ctx, slog.LevelDebug) {
		h.log.Debug(what, "peer", peer, key, value)
	}
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
	for _, m := range h.members {
		l := h.best(m)
		out = append(out, PeerInfo{m.peer, l.conn.RemoteMultiaddr().String(), l.rtt()})
	}
	slices.SortFunc(out, func(a, b PeerInfo) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name, b.Name), a.ID.Compare(b.ID))
	})
	return out
}

// Connected returns the nodes of the connected peers, in no order.
func (h *Host) Connected() []ident.NodeID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.members))
}

// Traffic counts bytes of QUIC packets since the host started, without UDP and IP headers, and those of connections that
// Outside made. Connections that were never admitted count as uplink.
type Traffic struct{ UplinkUp, UplinkDown, LANUp, LANDown int64 }

func (t *Traffic) add(o Traffic) {
	t.UplinkUp += o.UplinkUp
	t.UplinkDown += o.UplinkDown
	t.LANUp += o.LANUp
	t.LANDown += o.LANDown
}

// Traffic returns the counts. They never go back.
func (h *Host) Traffic() Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.past
	for o := range h.outside {
		sum.add(o.traffic())
	}
	for _, l := range h.links {
		if l.done { // before, nobody knows which it is
			sum.add(l.traffic())
		}
	}
	return sum
}
