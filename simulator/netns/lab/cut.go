//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

// Place is a *Site, a *Host, or Anywhere.
type Place interface {
	// place returns the addresses, and the site, which is nil for Anywhere.
	place() (netip.Prefix, *Site)
}

// Anywhere is every place.
var Anywhere Place = anywhere{}

type anywhere struct{}

func (anywhere) place() (netip.Prefix, *Site) {
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
}
func (s *Site) place() (netip.Prefix, *Site) { return s.net(), s }
func (h *Host) place() (netip.Prefix, *Site) { return netip.PrefixFrom(h.addr, 32), h.site }

// rule drops packets from some addresses to others. In a router it is about what passes; in a host, if
// LAN is set, about what comes from its LAN.
type rule struct {
	from, to netip.Prefix
	lan      bool // hosts have it too
}

// Cut is a fault of the network, until it is healed.
type Cut struct {
	lab    *Lab
	rules  []rule
	healed bool
}

// Cut drops all packets from one place to another, and back unless it is one way. A site includes its
// hosts; a site that is cut from itself has no LAN. Cuts add up: packets pass when the last one is healed.
func (l *Lab) Cut(from, to Place, oneWay bool) (*Cut, error) {
	c := &Cut{lab: l, rules: []rule{newRule(from, to)}}
	if !oneWay && from != to {
		c.rules = append(c.rules, newRule(to, from))
	}
	for i, r := range c.rules {
		if err := l.change(r, 1); err != nil {
			c.rules = c.rules[:i]
			return nil, errors.Join(err, c.Heal())
		}
	}
	return c, nil
}

// newRule is about the LAN as well if both ends may be on it, and it is not a site that is cut off from all others.
func newRule(from, to Place) rule {
	a, as := from.place()
	b, bs := to.place()
	lan := as == bs
	if as == nil || bs == nil {
		lan = a.IsSingleIP() || b.IsSingleIP()
	}
	return rule{from: a, to: b, lan: lan}
}

// Heal ends the cut; a second time does nothing.
func (c *Cut) Heal() error {
	if c.healed {
		return nil
	}
	c.healed = true
	var errs []error
	for _, r := range c.rules {
		errs = append(errs, c.lab.change(r, -1))
	}
	return errors.Join(errs...)
}

// change counts a rule, and puts it in place or takes it away where that makes a difference.
func (l *Lab) change(r rule, by int) error {
	before := l.cuts[r]
	l.cuts[r] += by
	verb := ""
	switch {
	case before == 0:
		verb = "add"
	case l.cuts[r] == 0:
		verb = "del"
		delete(l.cuts, r)
	default:
		return nil
	}
	errs := []error{r.apply(l.core, verb, true)}
	for _, s := range l.sites {
		errs = append(errs, r.apply(s.router, verb, true))
		for _, h := range s.hosts {
			errs = append(errs, r.apply(h.space, verb, false))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cut %s from %s: %w", r.to, r.from, err)
	}
	return nil
}

// apply adds a rule to a namespace, or deletes it there.
func (r rule) apply(in space, verb string, router bool) error {
	if !router && !r.lan {
		return nil
	}
	where := ""
	if !router {
		where = "iif " + hostDev + " " // not what the host sends: its own sockets would be told
	}
	return batch(string(in), "ip", fmt.Sprintf("rule %s pref %d %sfrom %s to %s blackhole", verb, prefCut, where, r.from, r.to))
}

// bring puts the cuts that there are in place in a new namespace.
func (l *Lab) bring(in space, router bool) error {
	for r := range l.cuts {
		if err := r.apply(in, "add", router); err != nil {
			return err
		}
	}
	return nil
}
