package gossip

import (
	"io"
	"net"

	"selvage/internal/ident"
)

// addressed is a connection whose ends have synthetic addresses. The transport knows it until it
// is closed, as memberlist leaves its streams open when it shuts down.
type addressed struct {
	net.Conn
	trans         *transport
	local, remote net.Addr
	from          ident.NodeID // who opened it
	in            io.Reader    // what is read, behind its guard; nil until something is
}

// maxStreams is how many streams that one member opens memberlist has at a time. An honest member has one, or two.
const maxStreams = 4

// hold gives memberlist a connection with a member, which from has opened. It returns nil, and conn is closed, once the
// transport is, and if memberlist has enough that this member has opened.
func (t *transport) hold(member, from ident.NodeID, conn net.Conn) *addressed {
	c := &addressed{Conn: conn, trans: t, local: syntheticAddr(t.self), remote: syntheticAddr(member), from: from}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || from != t.self && t.opened(from) >= maxStreams {
		conn.Close()
		return nil
	}
	t.held[c] = struct{}{}
	return c
}

// opened counts the streams that memberlist has and a member has opened. The caller holds mu.
func (t *transport) opened(by ident.NodeID) (n int) {
	for c := range t.held {
		if c.from == by {
			n++
		}
	}
	return n
}

// release closes all connections that memberlist holds.
func (t *transport) release() {
	t.mu.Lock()
	held := t.held
	t.held = make(map[*addressed]struct{})
	t.mu.Unlock()
	for c := range held {
		c.Conn.Close()
	}
}

// Read implements net.Conn, for one goroutine at a time.
func (c *addressed) Read(b []byte) (int, error) {
	if c.in == nil {
		in, err := guardStream(c.Conn)
		if err != nil {
			return 0, err
		}
		c.in = in
	}
	return c.in.Read(b)
}

func (c *addressed) Close() error {
	c.trans.mu.Lock()
	delete(c.trans.held, c)
	c.trans.mu.Unlock()
	return c.Conn.Close()
}

func (c *addressed) LocalAddr() net.Addr  { return c.local }
func (c *addressed) RemoteAddr() net.Addr { return c.remote }
