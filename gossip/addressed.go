package gossip

import (
	"net"

	"selvage/internal/ident"
)

// addressed is a connection whose ends have synthetic addresses. The transport knows it until it
// is closed, as memberlist leaves its streams open when it shuts down.
type addressed struct {
	net.Conn
	trans         *transport
	local, remote net.Addr
}

// hold gives memberlist a connection to a member. It returns nil, and conn is closed, once the
// transport is.
func (t *transport) hold(id ident.NodeID, conn net.Conn) *addressed {
	c := &addressed{conn, t, syntheticAddr(t.self), syntheticAddr(id)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		conn.Close()
		return nil
	}
	t.held[c] = struct{}{}
	return c
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

func (c *addressed) Close() error {
	c.trans.mu.Lock()
	delete(c.trans.held, c)
	c.trans.mu.Unlock()
	return c.Conn.Close()
}

func (c *addressed) LocalAddr() net.Addr  { return c.local }
func (c *addressed) RemoteAddr() net.Addr { return c.remote }
