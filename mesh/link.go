package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/quic-go/quic-go"

	"selvage/internal/ident"
)

const helloProtocol = "/selvage/hello/1"

// link is one connection. It is pending until the handshake is over.
type link struct {
	host   *Host
	conn   network.Conn
	remote ident.NodeID

	// Set before ready is closed, and not changed after.
	ready       chan struct{}
	peer        Peer
	err         error // why the peer was not admitted
	incarnation uint64

	begun bool // a hello stream was accepted; guarded by host.mu
	done  bool // ready is closed; guarded by host.mu
}

// connected is called by the swarm for every new connection.
func (h *Host) connected(_ network.Network, c network.Conn) {
	remote, err := ident.FromPeer(c.RemotePeer())
	h.mu.Lock()
	pending := 0
	for _, l := range h.links {
		if !l.done {
			pending++
		}
	}
	if err != nil || h.closed || len(h.links) >= maxLinks || pending >= maxPending {
		h.mu.Unlock()
		go c.Close() // the swarm forbids closing within its call
		return
	}
	l := &link{host: h, conn: c, remote: remote, ready: make(chan struct{})}
	h.links[c] = l
	h.wg.Go(l.shake)
	h.mu.Unlock()
}

// disconnected is called by the swarm for every connection that is gone.
func (h *Host) disconnected(_ network.Network, c network.Conn) {
	h.mu.Lock()
	l := h.links[c]
	delete(h.links, c)
	h.mu.Unlock()
	if l == nil {
		return
	}
	l.settle(Peer{}, 0, net.ErrClosed)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.past.add(l.traffic())
	h.remove(l)
	h.wake()
}

// remove forgets an admitted link and tells if it was the peer's last. The caller holds mu.
func (h *Host) remove(l *link) {
	rest := slices.DeleteFunc(slices.Clone(h.peers[l.remote]), func(o *link) bool { return o == l })
	if len(rest) == len(h.peers[l.remote]) {
		return
	}
	if len(rest) > 0 {
		h.peers[l.remote] = rest
		return
	}
	delete(h.peers, l.remote)
	h.tell(l.peer, false)
}

// tell queues an event for everyone who asked. The caller holds mu.
func (h *Host) tell(p Peer, up bool) {
	for _, f := range h.onPeer {
		h.emit(func() { f(p, up) })
	}
}

// settle decides what the link is, once; it reports whether it did.
func (l *link) settle(p Peer, incarnation uint64, err error) bool {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	if l.done {
		return false
	}
	l.done = true
	l.peer, l.incarnation, l.err = p, incarnation, err
	close(l.ready)
	return true
}

// shake does this end's part of the handshake: the dialler speaks first, the other waits.
func (l *link) shake() {
	ctx, cancel := context.WithTimeout(l.host.ctx, HelloTimeout)
	defer cancel()
	if l.conn.Stat().Direction == network.DirOutbound {
		l.finish(l.hello(ctx))
		return
	}
	select { // serveHello settles it
	case <-l.ready:
	case <-ctx.Done():
		if l.settle(Peer{}, 0, errors.New("no hello in time")) {
			l.close()
		}
	}
}

// hello opens the handshake.
func (l *link) hello(ctx context.Context) (Peer, uint64, error) {
	s, err := l.conn.NewStream(ctx)
	if err != nil {
		return Peer{}, 0, fmt.Errorf("open hello: %w", err)
	}
	defer s.Close()
	if err := errors.Join(s.SetDeadline(time.Now().Add(HelloTimeout)), writeProtocol(s, helloProtocol)); err != nil {
		return Peer{}, 0, fmt.Errorf("send hello: %w", err)
	}
	return l.exchange(s)
}

// serveHello answers the handshake that the other end opened.
func (l *link) serveHello(s network.Stream) {
	defer s.Close()
	l.host.mu.Lock()
	again := l.begun || l.conn.Stat().Direction == network.DirOutbound
	l.begun = true
	l.host.mu.Unlock()
	if again || s.SetDeadline(time.Now().Add(HelloTimeout)) != nil {
		_ = s.Reset() // it has had its turn
		return
	}
	l.finish(l.exchange(s))
}

// exchange is what both ends do on the hello stream.
func (l *link) exchange(s network.Stream) (Peer, uint64, error) {
	h, c := l.host, l.host.codec
	mine := h.cfg.Gate.Hello()
	mine.Addrs, mine.Incarnation = h.ownAddrs(), h.incarnation
	if err := c.write(s, mine); err != nil {
		return Peer{}, 0, fmt.Errorf("send hello: %w", err)
	}
	var theirs Hello
	if err := c.read(s, maxHello, &theirs); err != nil {
		return Peer{}, 0, fmt.Errorf("read hello: %w", err)
	}
	if err := checkAddrs(theirs.Addrs); err != nil {
		return Peer{}, 0, err
	}
	if err := l.exchangeCharters(s, mine, theirs); err != nil {
		return Peer{}, 0, err
	}
	peer, refusal := h.judge(l.remote, theirs)
	v := verdict{OK: refusal == nil}
	if refusal != nil {
		v.Code, v.Text = refusal.Code, refusal.Text
	}
	if err := c.write(s, v); err != nil {
		return Peer{}, 0, fmt.Errorf("send verdict: %w", err)
	}
	var back verdict
	rerr := c.read(s, maxVerdict, &back)
	switch {
	case refusal != nil:
		return peer, 0, refusal
	case rerr != nil:
		return peer, 0, fmt.Errorf("read verdict: %w", rerr)
	case !back.OK:
		return peer, 0, &Refusal{back.Code, back.Text, true}
	}
	h.noteHello(peer, theirs, l)
	return peer, theirs.Incarnation, nil
}

func (l *link) exchangeCharters(s network.Stream, mine, theirs Hello) error {
	h, c := l.host, l.host.codec
	var news [][]byte
	if string(mine.Fleet) == string(theirs.Fleet) && theirs.Charter < mine.Charter {
		news = h.cfg.Gate.Charters(theirs.Charter)
	}
	if err := c.write(s, news[:min(len(news), maxEnvelopes)]); err != nil {
		return fmt.Errorf("send charters: %w", err)
	}
	var got [][]byte
	if err := c.read(s, maxCharters, &got); err != nil {
		return fmt.Errorf("read charters: %w", err)
	}
	if len(got) > maxEnvelopes {
		return fmt.Errorf("%w: %d charters", errFrame, len(got))
	}
	if len(got) > 0 && string(mine.Fleet) == string(theirs.Fleet) {
		if err := h.cfg.Gate.Learn(got); err != nil {
			return fmt.Errorf("learn charters: %w", err)
		}
	}
	return nil
}

// judge asks the gate, and then what the host itself knows.
func (h *Host) judge(remote ident.NodeID, hello Hello) (Peer, *Refusal) {
	peer, err := h.cfg.Gate.Judge(remote, hello)
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) {
			return Peer{ID: remote}, r
		}
		return Peer{ID: remote}, &Refusal{Code: CodeOther, Text: err.Error()}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if until, ok := h.banned[remote]; ok && time.Now().Before(until) {
		return peer, &Refusal{Code: CodeDropped, Text: "you have misbehaved, and may come again later"}
	}
	if h.uplink.Held && peer.Site != h.cfg.Site {
		return peer, &Refusal{Code: CodeHeld, Text: "the uplink is held"}
	}
	return peer, nil
}

// noteHello remembers where the peer says that it can be dialled, and where it was.
func (h *Host) noteHello(p Peer, hello Hello, l *link) {
	h.note(p.ID, p.Site, hello.Addrs...)
	if l.conn.Stat().Direction == network.DirOutbound {
		h.worked(p.ID, p.Site, l.conn.RemoteMultiaddr().String())
	}
}

// finish settles the link by what the handshake came to.
func (l *link) finish(p Peer, incarnation uint64, err error) {
	if !l.settle(p, incarnation, err) {
		return
	}
	if err != nil {
		l.refused(p, err)
		return
	}
	h := l.host
	h.mu.Lock()
	if h.links[l.conn] != l { // it was gone before it was in
		h.mu.Unlock()
		return
	}
	var old []*link
	for _, o := range h.peers[p.ID] {
		if o.incarnation != incarnation {
			old = append(old, o)
		}
	}
	for _, o := range old { // the peer has restarted: what was is over
		h.remove(o)
	}
	fresh := len(h.peers[p.ID]) == 0
	h.peers[p.ID] = append(h.peers[p.ID], l)
	if fresh {
		h.tell(p, true)
	}
	h.mu.Unlock()
	for _, o := range old {
		o.close()
	}
	if fresh {
		h.log.Debug("mesh: peer admitted", "node", p.ID, "name", p.Name, "site", p.Site)
		h.wg.Go(func() { h.askPeers(p.ID) })
	}
}

// refused tells of a peer that was not let in, gives it the time to read why, and closes.
func (l *link) refused(p Peer, err error) {
	h := l.host
	var r *Refusal
	if errors.As(err, &r) && h.cfg.Refused != nil {
		h.cfg.Refused(l.remote, r)
	}
	if r != nil && p.Site != "" {
		h.note(l.remote, p.Site)
	}
	h.log.Debug("mesh: no handshake", "node", l.remote, "err", err)
	if r != nil && !r.ByRemote {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-t.C:
		case <-h.ctx.Done():
		}
	}
	l.close()
}

func (l *link) close() { _ = l.conn.Close() } // there is nobody left to tell

// traffic returns what the connection has moved, on the wire as QUIC counts it.
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
