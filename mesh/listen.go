package mesh

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

func (h *Host) listen() error {
	for _, hostPort := range h.cfg.Listen {
		if err := h.listenOn(hostPort); err != nil {
			return fmt.Errorf("listen on UDP %s: %w", hostPort, err)
		}
	}
	return nil
}

// listenOn listens on host:port. Without a host, or with [::], it listens on every address of the
// machine, IPv4 and IPv6; 0.0.0.0 is every address of IPv4.
func (h *Host) listenOn(hostPort string) error {
	addr, err := net.ResolveUDPAddr("udp", hostPort)
	if err != nil {
		return fmt.Errorf("want HOST:PORT: %w", err)
	}
	if addr.Zone != "" {
		return errors.New("an address with a zone is of one link only, and cannot be told to others")
	}
	if addr.IP != nil && !addr.IP.Equal(net.IPv6zero) {
		_, err := h.listenUDP(addr.IP, addr.Port)
		return err
	}
	port, err4 := h.listenUDP(net.IPv4zero, addr.Port)
	if errors.Is(err4, ErrAddrInUse) {
		return err4
	}
	_, err6 := h.listenUDP(net.IPv6zero, port)
	if errors.Is(err6, ErrAddrInUse) && addr.Port == 0 {
		_, err6 = h.listenUDP(net.IPv6zero, 0) // the port that IPv4 got is taken there
	}
	if err4 != nil && err6 != nil {
		return err4
	}
	if errors.Is(err6, ErrAddrInUse) {
		return err6
	}
	return nil // a machine has IPv4, IPv6 or both
}

// listenUDP listens on one address, and returns the port.
func (h *Host) listenUDP(ip net.IP, port int) (int, error) {
	m, err := manet.FromNetAddr(&net.UDPAddr{IP: ip, Port: port})
	if err != nil {
		return port, err
	}
	before := h.swarm.ListenAddresses()
	err = h.swarm.AddListenAddr(m.Encapsulate(quicSuffix))
	if errors.Is(err, syscall.EADDRINUSE) {
		return port, ErrAddrInUse
	}
	if err != nil {
		return port, err
	}
	for _, a := range h.swarm.ListenAddresses() {
		if !ma.Contains(before, a) {
			port = addrOf(a).Port
		}
	}
	return port, nil
}

var quicSuffix = ma.StringCast("/quic-v1")

// Addrs returns the multiaddrs at which others can dial this host, at most 8, with its ID.
// Addresses of the loopback interface are among them only if it listens on nothing else.
func (h *Host) Addrs() []string {
	out := h.ownAddrs()
	for i, a := range out {
		out[i] = a + "/p2p/" + h.self.String()
	}
	return out
}

// ownAddrs is Addrs without the ID, as the hello carries it.
func (h *Host) ownAddrs() []string {
	all, err := h.swarm.InterfaceListenAddresses()
	if err != nil {
		return nil
	}
	var far, loop []string
	for _, a := range all {
		switch {
		case manet.IsIP6LinkLocal(a): // of no use without the name of an interface
		case manet.IsIPLoopback(a):
			loop = append(loop, a.String())
		default:
			far = append(far, a.String())
		}
	}
	if len(far) == 0 {
		far = loop
	}
	return far[:min(len(far), maxAddrs)]
}
