package mesh

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fabric is a packet network in memory, for bubbles of virtual time.
type fabric struct {
	latency time.Duration

	mu    sync.Mutex
	conns map[string]*packetConn // by ip:port
	cut   func(from, to net.IP) bool
	sent  map[string]int // bytes, by IP address of the sender
	ports int
}

func newFabric() *fabric {
	return &fabric{latency: 5 * time.Millisecond, conns: map[string]*packetConn{}, sent: map[string]int{}, ports: 40000}
}

// setCut has packets dropped for which cut returns true; nil drops none. Addresses have 4 bytes.
func (f *fabric) setCut(cut func(from, to net.IP) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = cut
}

func (f *fabric) bytes(ip string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent[ip]
}

// fabricSockets is the fabric as the machine at ip sees it.
type fabricSockets struct {
	*fabric
	ip net.IP
}

var _ Sockets = fabricSockets{}

func (s fabricSockets) SourceFor(*net.UDPAddr) (net.IP, error) { return s.ip, nil }

func (s fabricSockets) ListenUDP(_ string, laddr *net.UDPAddr) (net.PacketConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := &net.UDPAddr{IP: s.ip, Port: laddr.Port}
	if addr.Port == 0 {
		s.ports++
		addr.Port = s.ports
	}
	if s.conns[addr.String()] != nil {
		return nil, errors.New("port is taken")
	}
	c := &packetConn{f: s.fabric, addr: addr, queue: make(chan packet, 1024), read: newDeadline(), closed: make(chan struct{})}
	s.conns[addr.String()] = c
	return c, nil
}

type packet struct {
	data []byte
	from net.Addr
}

type packetConn struct {
	f      *fabric
	addr   *net.UDPAddr
	queue  chan packet // a full one drops
	read   *deadline
	once   sync.Once
	closed chan struct{}
}

func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if isClosed(c.closed) {
		return 0, net.ErrClosed
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.cut != nil && c.f.cut(c.addr.IP, to.(*net.UDPAddr).IP.To4()) {
		return len(b), nil
	}
	c.f.sent[c.addr.IP.String()] += len(b)
	p := packet{append([]byte(nil), b...), c.addr}
	time.AfterFunc(c.f.latency, func() {
		c.f.mu.Lock()
		dst := c.f.conns[to.String()]
		c.f.mu.Unlock()
		if dst != nil {
			select {
			case dst.queue <- p:
			default:
			}
		}
	})
	return len(b), nil
}

func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.queue:
		return copy(b, p.data), p.from, nil
	case <-c.read.done():
		return 0, nil, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *packetConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.read.stop()
		c.f.mu.Lock()
		delete(c.f.conns, c.addr.String())
		c.f.mu.Unlock()
	})
	return nil
}

func (c *packetConn) LocalAddr() net.Addr { return c.addr }
func (c *packetConn) SetDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}
func (c *packetConn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}
func (c *packetConn) SetWriteDeadline(time.Time) error { return nil }
func (c *packetConn) SetReadBuffer(int) error          { return nil }
func (c *packetConn) SetWriteBuffer(int) error         { return nil }

// fabricConfig is testConfig of a node at an address of the fabric.
func (f *fabric) config(name, site, ip string) Config {
	cfg := testConfig(name, site)
	cfg.Listen = []string{ip + ":4001"}
	cfg.Sockets = fabricSockets{f, mustIP(ip)}
	return cfg
}

// bubble runs a test in virtual time. The bubble fails if a goroutine is left at its end, which is
// how the tests in it see that Close waits for all of them.
func bubble(t *testing.T, f func(t *testing.T, nw *fabric)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newFabric()) })
}

func mustIP(ip string) net.IP { return net.ParseIP(ip).To4() }
