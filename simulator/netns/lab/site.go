//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"

	"selvage/simulator/network"
)

// Site is hosts on a LAN behind one uplink.
type Site struct {
	lab      *Lab
	name     string
	index    int
	router   space
	up, down direction
	hosts    []*Host
}

// Devices of a router.
const (
	wanDev = "wan0"
	lanDev = "br0"
)

// AddSite adds a site. At most network.MaxSites fit; names are unique, and without dots and slashes.
func (l *Lab) AddSite(name string, cfg network.SiteConfig) (*Site, error) {
	if err := Check(cfg); err != nil {
		return nil, fmt.Errorf("site %s: %w", name, err)
	}
	if l.Site(name) != nil || len(l.sites) == network.MaxSites {
		return nil, fmt.Errorf("add site %s: there is one, or there are %d", name, network.MaxSites)
	}
	s := &Site{lab: l, name: name, index: len(l.sites), router: l.core + space("."+name)}
	if err := s.connect(); err != nil {
		return nil, fmt.Errorf("add site %s: %w", name, err)
	}
	l.sites = append(l.sites, s)
	if err := s.SetUplink(cfg.Up, cfg.Down); err != nil {
		return nil, err
	}
	return s, l.bring(s.router, true)
}

// connect makes the site's router, and the cable to the core.
func (s *Site) connect() error {
	core, here := s.transit(0), s.transit(1)
	dev := fmt.Sprint("s", s.index)
	err := s.lab.add(s.router,
		"link set lo up",
		fmt.Sprintf("link add %s type bridge", lanDev),
		fmt.Sprintf("addr add %s/24 dev %s", s.addr(routerHost), lanDev),
		fmt.Sprintf("link set %s up", lanDev),
		fmt.Sprintf("link add %s gso_max_segs 1 type veth peer name %s netns %s", wanDev, dev, s.lab.core),
		fmt.Sprintf("addr add %s/31 dev %s", here, wanDev),
		fmt.Sprintf("link set %s up", wanDev))
	if err != nil {
		return err
	}
	err = batch(string(s.lab.core), "ip",
		fmt.Sprintf("addr add %s/31 dev %s", core, dev),
		fmt.Sprintf("link set %s gso_max_segs 1 up", dev),
		fmt.Sprintf("route add %s via %s", s.net(), here))
	if err != nil {
		return err
	}
	s.up = direction{out: s.router, outDev: wanDev, in: s.lab.core, inDev: dev, tun: fmt.Sprint("t", s.index), table: 1000 + s.index, started: s.lab.started}
	s.down = direction{out: s.lab.core, outDev: dev, in: s.router, inDev: wanDev, tun: "t0", table: 1000, started: s.lab.started}
	return batch(string(s.router), "ip", fmt.Sprintf("route add default via %s", core))
}

// routerHost is the router's number on the LAN.
const routerHost = 254

func (s *Site) addr(host byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(s.index >> 8), byte(s.index), host})
}

func (s *Site) net() netip.Prefix { return netip.PrefixFrom(s.addr(0), 24) }

// transit is an end of the cable to the core: 0 there, 1 here.
func (s *Site) transit(end int) netip.Addr {
	n := 2*s.index + end
	return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
}

// Name returns the site's name.
func (s *Site) Name() string { return s.name }

func (s *Site) String() string { return s.name }

// SetUplink changes the uplink from now on. What waits in a bucket is lost if its link changes.
func (s *Site) SetUplink(up, down network.Link) error {
	for d, l := range map[*direction]network.Link{&s.up: up, &s.down: down} {
		if err := checkUplink(l); err != nil {
			return fmt.Errorf("site %s: %w", s.name, err)
		}
		if err := d.set(l); err != nil {
			return fmt.Errorf("site %s: %w", s.name, err)
		}
	}
	return nil
}

// Counters returns what crossed the uplink so far, counted as package network does. LAN is not counted.
func (s *Site) Counters() (c network.SiteCounters, err error) {
	if c.Up, err = s.up.count(); err != nil {
		return c, err
	}
	c.Down, err = s.down.count()
	return c, err
}

// Host is a machine at a site.
type Host struct {
	site  *Site
	name  string
	addr  netip.Addr
	space space
}

// hostDev is the network card of a host.
const hostDev = "eth0"

// AddHost adds a host to the site. At most network.MaxHosts fit; names are as those of sites.
func (s *Site) AddHost(name string) (*Host, error) {
	if s.Host(name) != nil || len(s.hosts) == network.MaxHosts {
		return nil, fmt.Errorf("add host %s to %s: there is one, or there are %d", name, s.name, network.MaxHosts)
	}
	h := &Host{site: s, name: name, addr: s.addr(byte(len(s.hosts) + 1)), space: s.router + space("."+name)}
	port := fmt.Sprint("p", len(s.hosts)+1)
	err := s.lab.add(h.space,
		"link set lo up",
		fmt.Sprintf("link add %s gso_max_segs 1 type veth peer name %s netns %s", hostDev, port, s.router),
		fmt.Sprintf("addr add %s/24 dev %s", h.addr, hostDev),
		fmt.Sprintf("link set %s up", hostDev),
		fmt.Sprintf("route add default via %s", s.addr(routerHost)),
		fmt.Sprintf("rule add pref %d lookup local", prefLocal),
		"rule del pref 0")
	if err == nil {
		err = batch(string(s.router), "ip", fmt.Sprintf("link set %s master %s up", port, lanDev))
	}
	if err != nil {
		return nil, fmt.Errorf("add host %s to %s: %w", name, s.name, err)
	}
	s.hosts = append(s.hosts, h)
	return h, s.lab.bring(h.space, false)
}

// Host returns the host of a name, or nil.
func (s *Site) Host(name string) *Host {
	for _, h := range s.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

// Name returns the host's name in its site.
func (h *Host) Name() string { return h.name }

// Addr returns the host's only address.
func (h *Host) Addr() netip.Addr { return h.addr }

func (h *Host) String() string { return h.site.name + "/" + h.name }

// Start starts a process on the host. Close kills it, if it still runs then.
func (h *Host) Start(cmd *exec.Cmd) error { return h.space.do(cmd.Start) }

// ListenUDP opens a socket of this process at a port of the host; port 0 is any free one.
func (h *Host) ListenUDP(port int) (c *net.UDPConn, err error) {
	err = h.space.do(func() error {
		p, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp4", netip.AddrPortFrom(h.addr, uint16(port)).String())
		if err == nil {
			c = p.(*net.UDPConn)
		}
		return err
	})
	return c, err
}
