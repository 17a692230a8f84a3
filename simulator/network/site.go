package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// SiteConfig is what a site is made of. The zero SiteConfig has perfect links and no NAT.
type SiteConfig struct {
	Up, Down Link // its uplink, as the site sees it
	LAN      Link
	NAT      NAT
	// NATIdle is after how long a mapping of the NAT is forgotten that no packet used; 0 is DefaultNATIdle.
	NATIdle time.Duration
}

// Site is hosts on a LAN behind one uplink.
type Site struct {
	n     *Net
	name  string
	index int
	id    int32

	// The network's lock guards what follows.
	up, down, lan *line
	nat           *nat // nil: none
	hosts         []*Host
	byName        map[string]*Host
}

// AddSite adds a site. At most MaxSites fit; names are unique.
func (n *Net) AddSite(name string, cfg SiteConfig) (*Site, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("add site %s: %w", name, err)
	}
	now, err := n.lock()
	if err != nil {
		return nil, fmt.Errorf("add site %s: %w", name, err)
	}
	defer n.unlock(now)
	if name == "" || n.byName[name] != nil {
		return nil, fmt.Errorf("add site %q: the name is empty or taken", name)
	}
	if len(n.sites) == MaxSites {
		return nil, fmt.Errorf("add site %s: there are %d sites already", name, MaxSites)
	}
	s := &Site{n: n, name: name, index: len(n.sites), id: n.nextPlace(), byName: map[string]*Host{},
		up: newLine(cfg.Up, n.newRand()), down: newLine(cfg.Down, n.newRand()), lan: newLine(cfg.LAN, n.newRand())}
	if natRand := n.newRand(); cfg.NAT != NoNAT {
		s.nat = newNAT(cfg.NAT, cfg.NATIdle, s.addr(publicNet, 1), natRand)
	}
	n.sites = append(n.sites, s)
	n.byName[name] = s
	return s, nil
}

// newRand returns a generator of its own for each link: what one draws changes nothing for another.
func (n *Net) newRand() *rand.Rand {
	return rand.New(rand.NewPCG(n.cfg.Rand.Uint64(), n.cfg.Rand.Uint64()))
}

func (c *SiteConfig) check() error {
	if err := checkUplink(c.Up, c.Down); err != nil {
		return err
	}
	if err := c.LAN.check(); err != nil {
		return fmt.Errorf("lan: %w", err)
	}
	if c.NAT > Symmetric {
		return errors.New("nat is of no kind that there is")
	}
	if c.NATIdle < 0 || c.NATIdle > maxTime {
		return fmt.Errorf("nat idle is %v, want 0 (%v) to %v", c.NATIdle, DefaultNATIdle, maxTime)
	}
	return nil
}

func checkUplink(up, down Link) error {
	if err := up.check(); err != nil {
		return fmt.Errorf("uplink up: %w", err)
	}
	if err := down.check(); err != nil {
		return fmt.Errorf("uplink down: %w", err)
	}
	return nil
}

// SetUplink changes the uplink from now on. What waits in the queues is kept, and goes under the new
// terms; what is being sent or under way goes under the old. A budget that comes back has what it had left.
func (s *Site) SetUplink(up, down Link) error {
	if err := checkUplink(up, down); err != nil {
		return fmt.Errorf("set uplink of %s: %w", s.name, err)
	}
	if err := s.set(lineSet{s.up, up}, lineSet{s.down, down}); err != nil {
		return fmt.Errorf("set uplink of %s: %w", s.name, err)
	}
	return nil
}

// SetLAN changes the LAN as SetUplink does the uplink.
func (s *Site) SetLAN(l Link) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("set lan of %s: %w", s.name, err)
	}
	if err := s.set(lineSet{s.lan, l}); err != nil {
		return fmt.Errorf("set lan of %s: %w", s.name, err)
	}
	return nil
}

type lineSet struct {
	line *line
	to   Link
}

func (s *Site) set(changes ...lineSet) error {
	now, err := s.n.lock()
	if err != nil {
		return err
	}
	defer s.n.unlock(now)
	for _, c := range changes {
		c.line.set(now, c.to, c.line.rnd)
		s.n.drain(c.line)
	}
	return nil
}

// Uplink returns the uplink's links as they are, with defaults filled in.
func (s *Site) Uplink() (up, down Link) {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return s.up.link, s.down.link
}

// LAN returns the LAN as it is, with defaults filled in.
func (s *Site) LAN() Link {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return s.lan.link
}

// Counters returns what went over the links so far.
func (s *Site) Counters() SiteCounters {
	defer s.n.view()()
	return SiteCounters{Up: s.up.tally, Down: s.down.tally, LAN: s.lan.tally}
}

// Name returns the site's name.
func (s *Site) Name() string { return s.name }

func (s *Site) String() string { return s.name }

// Public returns the address at which other sites see the hosts, if there is a NAT.
func (s *Site) Public() (netip.Addr, bool) {
	if s.nat == nil {
		return netip.Addr{}, false
	}
	return s.nat.public, true
}

// Hosts returns the hosts in the order in which they were added.
func (s *Site) Hosts() []*Host {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return append([]*Host(nil), s.hosts...)
}

// Host returns the host of a name, or nil.
func (s *Site) Host(name string) *Host {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return s.byName[name]
}

func (s *Site) addr(first, last byte) netip.Addr {
	return netip.AddrFrom4([4]byte{first, byte(s.index >> 8), byte(s.index), last})
}
