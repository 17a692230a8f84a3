package mesh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"selvage/internal/ident"
)

const helloProtocol = "/selvage/hello/1"

// codeTwice refuses one of two connections that both ends dialled at once. Nobody is told of it.
const codeTwice = "twice"

// shake does this end's part of the handshake: the dialler speaks first, the other waits.
func (l *link) shake() {
	ctx, cancel := context.WithTimeout(l.host.ctx, HelloTimeout)
	defer cancel()
	if !l.inbound {
		p, hello, err := l.hello(ctx)
		l.finish(p, hello, err)
		return
	}
	select { // serveHello settles it
	case <-l.ready:
	case <-ctx.Done():
		l.finish(Peer{}, Hello{}, errSilent)
	}
}

// hello opens the handshake.
func (l *link) hello(ctx context.Context) (Peer, Hello, error) {
	s, err := l.conn.NewStream(ctx)
	if err != nil {
		return Peer{}, Hello{}, fmt.Errorf("open hello: %w", err)
	}
	defer s.Close()
	if err := errors.Join(s.SetDeadline(l.since.Add(HelloTimeout)), writeProtocol(s, helloProtocol)); err != nil {
		return Peer{}, Hello{}, fmt.Errorf("send hello: %w", err)
	}
	return l.exchange(s)
}

// serveHello answers the handshake that the other end opened.
func (l *link) serveHello(s network.Stream) {
	l.host.mu.Lock()
	again := l.begun || !l.inbound
	l.begun = true
	l.host.mu.Unlock()
	if again || s.SetDeadline(l.since.Add(HelloTimeout)) != nil {
		_ = s.Reset() // it has had its turn
		return
	}
	defer s.Close()
	l.finish(l.exchange(s))
}

// exchange is what both ends do on the hello stream. The error is a *Refusal if either end did not
// want the other.
func (l *link) exchange(s network.Stream) (Peer, Hello, error) {
	h, c := l.host, l.host.codec
	mine, theirs, err := l.exchangeHellos(s)
	if err != nil {
		return Peer{}, Hello{}, err
	}
	if err := c.write(s, maxCharters, h.chartersFor(mine, theirs)); err != nil {
		return Peer{}, Hello{}, fmt.Errorf("send charters: %w", err)
	}
	charters, err := c.readCharters(s)
	if err != nil {
		return Peer{}, Hello{}, fmt.Errorf("read charters: %w", err)
	}
	p, refusal := l.judge(mine, theirs, charters)
	v := verdict{OK: refusal == nil}
	if refusal != nil {
		v.Code, v.Text, v.Proof = refusal.Code, refusal.Text, refusal.Proof
	}
	if err := c.write(s, maxVerdict, v); err != nil {
		return Peer{}, Hello{}, fmt.Errorf("send verdict: %w", err)
	}
	h.tellDebug(h.ctx, "mesh: verdict", l.remote, "code", v.Code)
	back, err := c.readVerdict(s)
	switch {
	case refusal != nil:
		return p, Hello{}, refusal
	case err != nil:
		return p, Hello{}, fmt.Errorf("read verdict: %w", err)
	case back != nil:
		return p, Hello{}, back
	}
	return p, theirs, nil
}

// exchangeHellos shows this end's hello and reads the other's. The dialler speaks first; to one of
// another fleet, the other end shows its fleet only.
func (l *link) exchangeHellos(s network.Stream) (mine, theirs Hello, err error) {
	h, c := l.host, l.host.codec
	mine = h.cfg.Gate.Hello()
	mine.Addrs, mine.Incarnation = h.ownAddrs(), h.incarnation
	if l.inbound {
		if theirs, err = c.readHello(s); err != nil {
			return mine, theirs, fmt.Errorf("read hello: %w", err)
		}
		if string(mine.Fleet) != string(theirs.Fleet) {
			mine = Hello{Fleet: mine.Fleet}
		}
	}
	if err := c.write(s, maxHello, mine); err != nil {
		return mine, theirs, fmt.Errorf("send hello: %w", err)
	}
	h.tellDebug(h.ctx, "mesh: hello", l.remote, "addr", l.conn.RemoteMultiaddr().String())
	if !l.inbound {
		if theirs, err = c.readHello(s); err != nil {
			return mine, theirs, fmt.Errorf("read hello: %w", err)
		}
	}
	return mine, theirs, nil
}

// chartersFor returns the charters that a peer lacks, as many of the oldest as a frame holds: it
// gets the rest when it comes again.
func (h *Host) chartersFor(mine, theirs Hello) [][]byte {
	news := [][]byte{}
	if string(mine.Fleet) != string(theirs.Fleet) || theirs.Charter >= mine.Charter {
		return news
	}
	room := maxCharters - 16*maxEnvelopes // CBOR's heads
	for _, e := range h.cfg.Gate.Charters(theirs.Charter) {
		if room -= len(e); room < 0 || len(news) >= maxEnvelopes {
			break
		}
		news = append(news, e)
	}
	return news
}

// judge learns what charters the peer has shown, asks the gate, and then what the host itself
// knows.
func (l *link) judge(mine, theirs Hello, charters [][]byte) (Peer, *Refusal) {
	h, nobody := l.host, Peer{ID: l.remote}
	if len(charters) > 0 && string(mine.Fleet) == string(theirs.Fleet) {
		if err := h.cfg.Gate.Learn(charters); err != nil {
			return nobody, refusalOf(fmt.Errorf("your charters do not fit: %w", err))
		}
	}
	p, err := h.cfg.Gate.Judge(l.remote, theirs)
	if err != nil {
		return nobody, refusalOf(err)
	}
	p.ID = l.remote
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.objection(p); r != nil {
		return p, r
	}
	if l.inbound && h.self.Compare(l.remote) < 0 && h.isDialled(l.remote) {
		return p, &Refusal{Code: codeTwice, Text: "we have just dialled you"}
	}
	l.accepted = true
	return p, nil
}

// objection returns why the host does not want a peer that the gate would let in. The caller holds
// mu.
func (h *Host) objection(p Peer) *Refusal {
	switch {
	case h.retired:
		return &Refusal{Code: CodeOther, Text: "this node was revoked, and lets nobody in"}
	case h.isBanned(p.ID):
		return &Refusal{Code: CodeDropped, Text: "you have misbehaved, and may come again later"}
	case h.uplink.Held && p.Site != h.cfg.Site:
		return &Refusal{Code: CodeHeld, Text: "the uplink is held"}
	}
	return nil
}

// isDialled reports whether this end has dialled a node just now, and got through. The caller
// holds mu.
func (h *Host) isDialled(id ident.NodeID) bool {
	for _, l := range h.links {
		if l.remote == id && !l.inbound && (!l.done || l.err == nil) && time.Since(l.since) < HelloTimeout {
			return true
		}
	}
	return false
}
