package mesh

import (
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/quic-go/quic-go"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// Bounds of the connections that others can make a host keep. Those that the host dials itself are
// bounded by whom it chooses.
const (
	maxLinks   = 1024
	maxPending = 128 // not admitted; at the bound the oldest makes room
	maxSource  = 64  // of these, from one IP address
	maxWaiting = 32  // streams of one connection that wait for its handshake
	maxTwins   = 4   // admitted, with one node; at the bound the oldest goes
)

var (
	errFlood  = errors.New("too many connections that are not admitted")
	errSilent = errors.New("no hello in time")
)

// link is one connection. It is pending until the handshake is over.
type link struct {
	host    *Host
	conn    network.Conn
	remote  ident.NodeID
	inbound bool
	since   time.Time
	gone    chan struct{} // closed when the connection is

	bulk atomic.Int64 // when a bulk stream last began, or moved anything, unix nanoseconds

	// Set before ready is closed, and not changed after.
	ready chan struct{}
	peer  Peer
	err   error // why the peer was not admitted

	// over is closed when this end, which has dialled, is through with the handshake. That may be after
	// ready: a peer that has read a refusal closes, and only the handshake knows that it was one.
	over chan struct{}

	// Guarded by host.mu.
	refusal  *Refusal
	done     bool // ready is closed
	begun    bool // a hello stream was accepted
	accepted bool // this end has said yes
	waiting  int  // streams
	evicted  bool // closed to make room
}

// member is an admitted peer that is connected. A peer that has restarted is another member.
type member struct {
	peer        Peer
	incarnation uint64
	links       []*link // at least one, at most maxTwins; of an honest peer two, if both ends dialled at once
}

// connected is called by the swarm for every new connection, before any of its streams.
func (h *Host) connected(_ network.Network, c network.Conn) {
	remote, err := ident.FromPeer(c.RemotePeer())
	l := &link{host: h, conn: c, remote: remote, inbound: c.Stat().Direction == network.DirInbound, since: time.Now(),
		ready: make(chan struct{}), gone: make(chan struct{}), over: make(chan struct{})}
	h.mu.Lock()
	if err != nil || h.closed || len(h.links) >= maxLinks || !l.inbound && h.isAccepted(remote) {
		h.mu.Unlock()
		l.close()
		return
	}
	victim := h.makeRoom(l)
	h.links[c] = l
	if k := h.known[remote]; !l.inbound && k != nil && k.attempt != nil {
		k.attempt.dialled = l
	}
	h.wg.Go(l.shake)
	h.mu.Unlock()
	if victim != nil {
		victim.close()
	}
}

// isAccepted reports whether a node is connected, or about to be. A dial to it that gets through
// only then was in vain. The caller holds mu.
func (h *Host) isAccepted(id ident.NodeID) bool {
	for _, l := range h.links {
		if l.remote == id && l.accepted && (!l.done || l.err == nil) {
			return true
		}
	}
	return false
}

// makeRoom picks the connection that has to go for a new one that is not admitted, if any. Of a
// flood, those go that have not said hello for longest, while true peers take a few round trips.
// The caller holds mu, and closes it.
func (h *Host) makeRoom(l *link) (victim *link) {
	if !l.inbound {
		return nil
	}
	source, all, same := l.source(), []*link{}, []*link{}
	for _, o := range h.links {
		if !o.inbound || o.evicted || o.done && o.err == nil {
			continue
		}
		if all = append(all, o); o.source() == source {
			same = append(same, o)
		}
	}
	switch {
	case len(same) >= maxSource:
		all = same
	case len(all) < maxPending:
		return nil
	}
	victim = slices.MinFunc(all, func(a, b *link) int { return a.since.Compare(b.since) })
	victim.evicted = true
	victim.settle(Peer{}, errFlood)
	return victim
}

// source returns the IP address of the other end.
func (l *link) source() string {
	ip, err := manet.ToIP(l.conn.RemoteMultiaddr())
	if err != nil {
		return ""
	}
	return ip.String()
}

// disconnected is called by the swarm for every connection that is gone.
func (h *Host) disconnected(_ network.Network, c network.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.links[c]
	if l == nil {
		return
	}
	delete(h.links, c)
	l.settle(Peer{}, net.ErrClosed)
	close(l.gone)
	h.past.add(l.traffic())
	h.remove(l)
	if !slices.ContainsFunc(values(h.links), func(o *link) bool { return o.remote == l.remote }) {
		h.swarm.Peerstore().RemovePeer(c.RemotePeer()) // libp2p would keep the key of everyone who ever came
	}
	h.wake()
}

// remove takes a link from its member, and the member away if it was the last. The caller holds mu.
func (h *Host) remove(l *link) {
	m := h.members[l.remote]
	if m == nil || !slices.Contains(m.links, l) {
		return
	}
	m.links = slices.DeleteFunc(slices.Clone(m.links), func(o *link) bool { return o == l })
	if len(m.links) > 0 {
		return
	}
	delete(h.members, l.remote)
	if k := h.known[l.remote]; k != nil && time.Since(l.since) < shortLife {
		k.failed(errShort, h.most(k)) // two that throw each other out must not do so at full speed
	}
	h.tell(l.remote)
}

// settle decides what the link is, once; it reports whether it did. The caller holds host.mu.
func (l *link) settle(p Peer, err error) bool {
	if l.done {
		return false
	}
	l.done, l.peer, l.err = true, p, err
	close(l.ready)
	return true
}

// finish settles the link by what the handshake came to. A link that this end dialled comes here
// once.
func (l *link) finish(p Peer, hello Hello, err error) {
	h := l.host
	h.mu.Lock()
	if err == nil { // the world may have changed since the peer was judged
		if r := h.objection(p); r != nil {
			err = r
		} else if h.isShunned(l.remote) && !mutant.On(mutant.ForgetRevocation) {
			err = errShunned
		}
	}
	settled := l.settle(p, err)
	errors.As(err, &l.refusal)
	if !l.inbound {
		close(l.over)
	}
	if !settled || err != nil {
		h.mu.Unlock()
		l.report(p, err) // also if the peer has read why, and is gone already
		if settled {
			l.linger(err)
		}
		return
	}
	stale, fresh := h.admit(l, hello)
	h.mu.Unlock()
	for _, o := range stale {
		o.close()
	}
	if fresh {
		h.log.Debug("mesh: peer admitted", "node", p.ID, "name", p.Name, "site", p.Site)
		h.wg.Go(func() { h.askPeers(p.ID) })
	}
}

// admit makes the link's node a member, or adds the link to it. It returns the links that are to be
// closed, and whether the member is new. The caller holds mu.
func (h *Host) admit(l *link, hello Hello) (stale []*link, fresh bool) {
	p, m := l.peer, h.members[l.remote]
	if m != nil {
		for _, o := range m.links {
			// The peer has restarted, or dials because it has lost what this end takes for a
			// connection. Only a young one can be the other half of two dials at once.
			if m.incarnation != hello.Incarnation || m.peer != p || l.inbound && time.Since(o.since) > HelloTimeout {
				stale = append(stale, o)
			}
		}
		m.links = slices.DeleteFunc(slices.Clone(m.links), func(o *link) bool { return slices.Contains(stale, o) })
		if len(m.links) >= maxTwins { // an honest peer makes no more than two at once
			stale, m.links = append(stale, m.links[0]), m.links[1:]
		}
	}
	if m == nil || len(m.links) == 0 {
		m, fresh = &member{peer: p, incarnation: hello.Incarnation}, true
		h.members[p.ID] = m
		h.tell(p.ID)
	}
	m.links = append(m.links, l)
	h.met(l, hello.Addrs)
	return stale, fresh
}

// best returns the member's link for new streams: the newest, but of two that were dialled at once
// the one that the smaller node dialled, as the other end does. The caller holds mu.
func (h *Host) best(m *member) *link {
	best := m.links[len(m.links)-1]
	for _, l := range m.links {
		if l.bySmaller() && !best.bySmaller() && best.since.Sub(l.since) < HelloTimeout {
			best = l
		}
	}
	return best
}

// bySmaller reports whether the end with the smaller ID has dialled.
func (l *link) bySmaller() bool { return (l.host.self.Compare(l.remote) < 0) != l.inbound }

// report tells of a peer that was not let in, or did not let this end in.
func (l *link) report(p Peer, err error) {
	h := l.host
	var r *Refusal
	if errors.As(err, &r) && r.Code != codeTwice {
		h.learnSite(l.remote, p.Site)
		h.cfg.Refused(l.remote, r)
	}
	h.log.Debug("mesh: no handshake", "node", l.remote, "err", err)
}

// linger closes a link that was not admitted, and gives the peer the time to read why.
func (l *link) linger(err error) {
	var r *Refusal
	if errors.As(err, &r) && !r.ByRemote {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-t.C:
		case <-l.gone:
		case <-l.host.ctx.Done():
		}
	}
	l.close()
}

func (l *link) close() { _ = l.conn.Close() } // there is nobody left to tell

// traffic returns what the connection has moved, on the wire as QUIC counts it. The caller holds
// host.mu.
func (l *link) traffic() Traffic {
	var q *quic.Conn
	if !l.conn.As(&q) {
		return Traffic{}
	}
	s := q.ConnectionStats()
	if l.err == nil && l.peer.Site == l.host.cfg.Site {
		return Traffic{LANUp: int64(s.BytesSent), LANDown: int64(s.BytesReceived)}
	}
	return Traffic{UplinkUp: int64(s.BytesSent), UplinkDown: int64(s.BytesReceived)}
}

func (l *link) rtt() time.Duration {
	var q *quic.Conn
	if !l.conn.As(&q) {
		return 0
	}
	return q.ConnectionStats().SmoothedRTT
}
