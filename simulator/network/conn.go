package network

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxBuffer bounds what waits in a socket, in bytes on the wire; what comes then is dropped.
const maxBuffer = 4 << 20

// conn is a socket. Its lock is taken under the network's, never the other way round.
type conn struct {
	host *Host
	src  netip.AddrPort
	addr *net.UDPAddr // src; given to every receiver, never written to

	mu       sync.Mutex
	some     sync.Cond // on mu: something to look at again
	waiting  ring
	bytes    int // in waiting, on the wire; at most maxBuffer
	closed   bool
	deadline time.Time // of reads; zero: none
	timer    *time.Timer
}

var _ net.PacketConn = (*conn)(nil)

func newConn(h *Host, port uint16) *conn {
	src := netip.AddrPortFrom(h.addr, port)
	c := &conn{host: h, src: src, addr: net.UDPAddrFromAddrPort(src)}
	c.some.L = &c.mu
	return c
}

// room reports whether a packet fits. It does until the next push: only that takes room, and only one
// at a time pushes, who holds the network's lock.
func (c *conn) room(wire int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes+wire <= maxBuffer
}

// push hands a packet over.
func (c *conn) push(p *packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes += p.wire
	c.waiting.push(p)
	c.some.Signal()
}

// ReadFrom waits for a packet. What does not fit into b is cut off. The address is shared: do not write to it.
func (c *conn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	p, err := c.wait()
	c.mu.Unlock()
	if err != nil {
		return 0, nil, c.fail("read", err)
	}
	n, from := copy(b, p.data), p.seen
	c.host.site.n.pool.put(p)
	return n, from, nil
}

func (c *conn) wait() (*packet, error) {
	for {
		if c.closed {
			return nil, net.ErrClosed
		}
		if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
			return nil, os.ErrDeadlineExceeded
		}
		if p := c.waiting.pop(); p != nil {
			c.bytes -= p.wire
			return p, nil
		}
		c.some.Wait()
	}
}

// WriteTo sends a packet and never waits: what the network cannot take it drops.
func (c *conn) WriteTo(b []byte, to net.Addr) (int, error) {
	dst, err := addrPort(to)
	if err != nil {
		return 0, c.fail("write", err)
	}
	if len(b)+Headers > maxPacket {
		return 0, c.fail("write", syscall.EMSGSIZE)
	}
	n := c.host.site.n
	p := n.pool.get(b)
	p.from, p.to = c.host, dst
	now, err := n.lock()
	if err != nil {
		n.pool.put(p)
		return 0, c.fail("write", err)
	}
	defer n.unlock(now)
	if c.host.conns[c.src.Port()] != c {
		n.pool.put(p)
		return 0, c.fail("write", net.ErrClosed)
	}
	n.send(now, p, c.src, c.addr)
	return len(b), nil
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	u, ok := a.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.AddrPort{}, syscall.EINVAL
	}
	ap := u.AddrPort()
	if !ap.Addr().Unmap().Is4() {
		return netip.AddrPort{}, syscall.EAFNOSUPPORT
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// Close closes the socket; what waits in it is gone, and its port is free.
func (c *conn) Close() error {
	n := c.host.site.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.host.conns[c.src.Port()] == c {
		delete(c.host.conns, c.src.Port())
	}
	if !c.shut() {
		return c.fail("close", net.ErrClosed)
	}
	return nil
}

// shut wakes all readers, and reports whether the socket was open. The network's lock is held.
func (c *conn) shut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed = true
	c.waiting = ring{}
	c.bytes = 0
	if c.timer != nil {
		c.timer.Stop()
	}
	c.some.Broadcast()
	return true
}

// LocalAddr returns the host's address and the socket's port.
func (c *conn) LocalAddr() net.Addr { return c.addr }

// SetDeadline sets the deadline of reads: writes never wait.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline sets when reads fail, also those that wait now; the zero time is never.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.fail("set deadline", net.ErrClosed)
	}
	c.deadline = t
	if c.timer != nil {
		c.timer.Stop()
	}
	if !t.IsZero() {
		c.timer = time.AfterFunc(time.Until(t), c.expire)
	}
	c.some.Broadcast()
	return nil
}

// expire has readers look at the deadline again.
func (c *conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.some.Broadcast()
}

// SetWriteDeadline does nothing: writes never wait.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetReadBuffer does nothing: the bound of what waits is the same for all sockets.
func (c *conn) SetReadBuffer(int) error { return nil }

// SetWriteBuffer does nothing: writes never wait.
func (c *conn) SetWriteBuffer(int) error { return nil }

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Addr: c.addr, Err: err}
}
