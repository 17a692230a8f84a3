package network

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Ports that are given out for port 0, as Linux does: from 32768 to 60999.
const (
	firstPort = 32768
	ports     = 28232
)

// Host is a machine. It opens sockets as the mesh wants them: it is a mesh.Sockets.
type Host struct {
	site *Site
	name string
	addr netip.Addr
	id   int32

	// The network's lock guards what follows.
	conns map[uint16]*conn
	down  int // faults that have it down
	holds int // holds that are not released
	deaf  int // of them, those that lose what comes
	in    held
	out   held
	given int // ports given out for port 0
	count HostCounters
}

// AddHost adds a host to the site. At most MaxHosts fit; names are unique in the site.
func (s *Site) AddHost(name string) (*Host, error) {
	now, err := s.n.lock()
	if err != nil {
		return nil, fmt.Errorf("add host %s to %s: %w", name, s.name, err)
	}
	defer s.n.unlock(now)
	if name == "" || s.byName[name] != nil {
		return nil, fmt.Errorf("add host %q to %s: the name is empty or taken", name, s.name)
	}
	if len(s.hosts) == MaxHosts {
		return nil, fmt.Errorf("add host %s to %s: there are %d hosts already", name, s.name, MaxHosts)
	}
	h := &Host{site: s, name: name, addr: s.addr(privateNet, byte(len(s.hosts)+1)), id: s.n.nextPlace(), conns: map[uint16]*conn{}}
	s.hosts = append(s.hosts, h)
	s.byName[name] = h
	return h, nil
}

// Name returns the host's name in its site.
func (h *Host) Name() string { return h.name }

// Site returns the host's site.
func (h *Host) Site() *Site { return h.site }

// Addr returns the host's only address.
func (h *Host) Addr() netip.Addr { return h.addr }

func (h *Host) String() string { return h.site.name + "/" + h.name }

// ListenUDP opens a socket at a port of the host; port 0 is any free one. The address is the host's,
// or unspecified, which is the same: a socket's LocalAddr is always the host's address. Errors are
// *net.OpError around EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT (for udp6: the network has IPv4 only)
// or net.ErrClosed. A host that is down can open sockets; nothing comes to them.
func (h *Host) ListenUDP(network string, laddr *net.UDPAddr) (net.PacketConn, error) {
	if laddr == nil {
		laddr = &net.UDPAddr{}
	}
	now, err := h.site.n.lock()
	if err == nil {
		defer h.site.n.unlock(now)
		var c *conn
		if c, err = h.listen(network, laddr); err == nil {
			return c, nil
		}
	}
	return nil, &net.OpError{Op: "listen", Net: network, Addr: laddr, Err: err}
}

func (h *Host) listen(network string, laddr *net.UDPAddr) (*conn, error) {
	switch ip, _ := netip.AddrFromSlice(laddr.IP); {
	case network == "udp6":
		return nil, syscall.EAFNOSUPPORT
	case network != "udp" && network != "udp4":
		return nil, net.UnknownNetworkError(network)
	case laddr.Port < 0 || laddr.Port > 65535:
		return nil, &net.AddrError{Err: "invalid port", Addr: laddr.String()}
	case len(laddr.IP) != 0 && !laddr.IP.IsUnspecified() && ip.Unmap() != h.addr:
		return nil, syscall.EADDRNOTAVAIL
	}
	port := uint16(laddr.Port)
	if port == 0 {
		port = h.freePort()
	}
	if port == 0 || h.conns[port] != nil {
		return nil, syscall.EADDRINUSE
	}
	c := newConn(h, port)
	h.conns[port] = c
	return c, nil
}

// freePort returns 0 if all are taken. Ports are given out in turn, so a new socket rarely gets what
// was meant for an old one.
func (h *Host) freePort() uint16 {
	for range ports {
		p := uint16(firstPort + h.given%ports)
		h.given++
		if h.conns[p] == nil {
			return p
		}
	}
	return 0
}

// SourceFor returns the host's address, from which packets to dst leave.
func (h *Host) SourceFor(dst *net.UDPAddr) (net.IP, error) {
	if dst == nil || dst.IP.To4() == nil {
		return nil, &net.OpError{Op: "route", Net: "udp", Addr: dst, Err: syscall.EAFNOSUPPORT}
	}
	return h.addr.AsSlice(), nil
}

// CloseSockets closes all sockets of the host, as the end of its processes does; what waits in them, and what a
// Hold kept, is gone. Then new sockets may take the same ports.
func (h *Host) CloseSockets() {
	h.site.n.mu.Lock()
	defer h.site.n.mu.Unlock()
	h.closeSockets()
}

// closeSockets is CloseSockets for who holds the network's lock. The order in which sockets close changes nothing.
func (h *Host) closeSockets() {
	for _, c := range h.conns {
		c.shut()
	}
	clear(h.conns)
	for _, p := range append(h.in.packets, h.out.packets...) {
		h.site.n.flying -= p.wire
		h.site.n.pool.put(p)
	}
	h.in, h.out = held{}, held{}
}

// Counters returns what the host sent and received so far.
func (h *Host) Counters() HostCounters {
	defer h.site.n.view()()
	return h.count
}
