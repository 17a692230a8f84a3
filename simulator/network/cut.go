package network

// Place is where a cut begins or ends: a *Site, a *Host, or Anywhere.
type Place interface {
	// place returns the id of the place, and the network that it is in; nil is any.
	place() (int32, *Net)
}

// Anywhere is all places that are not the cut's other end. So a site that is cut from anywhere still
// has its LAN.
var Anywhere Place = anywhere{}

const anyID = 0

type anywhere struct{}

func (anywhere) place() (int32, *Net) { return anyID, nil }
func (s *Site) place() (int32, *Net)  { return s.id, s.n }
func (h *Host) place() (int32, *Net)  { return h.id, h.site.n }

func (n *Net) nextPlace() int32 {
	n.places++
	return n.places
}

type pair struct{ from, to int32 }

// Cut is a fault that lasts until it is healed.
type Cut struct {
	n      *Net
	pairs  []pair
	down   *Host
	healed bool
}

// Cut drops all packets from one place to another, and back unless it is one way: those that are sent
// from now on where they are sent, and those under way where they come next, the core or the receiver.
// A site includes its hosts; a site that is cut from itself has no LAN. Cuts add up: packets pass when
// the last one is healed. It panics if a place is of another network, or both are Anywhere.
func (n *Net) Cut(from, to Place, oneWay bool) *Cut {
	a, an := from.place()
	b, bn := to.place()
	if an != nil && an != n || bn != nil && bn != n || an == nil && bn == nil {
		panic("network: cut between places that are not in the network")
	}
	c := &Cut{n: n, pairs: []pair{{a, b}}}
	if !oneWay && a != b {
		c.pairs = append(c.pairs, pair{b, a})
	}
	c.apply(1)
	return c
}

// Down has the machine down until the returned cut is healed: nothing gets out or in. Its sockets stay;
// CloseSockets closes them. Down adds up as cuts do.
func (h *Host) Down() *Cut {
	c := &Cut{n: h.site.n, down: h}
	c.apply(1)
	return c
}

// Heal ends the cut; a second time does nothing.
func (c *Cut) Heal() { c.apply(-1) }

func (c *Cut) apply(by int) {
	now, err := c.n.lock()
	if err != nil {
		return // nothing is sent any more
	}
	defer c.n.unlock(now)
	if c.healed {
		return
	}
	c.healed = by < 0
	if c.down != nil {
		c.down.down += by
	}
	for _, p := range c.pairs {
		if c.n.cuts[p] += by; c.n.cuts[p] == 0 {
			delete(c.n.cuts, p)
		}
	}
}

// severed reports whether a cut is in the way of a packet. A host always reaches itself.
func (n *Net) severed(p *packet) bool {
	if len(n.cuts) == 0 || p.host == p.from {
		return false
	}
	from, to := p.from, p.host
	s, d := from.site.id, p.site.id
	h := d
	if to != nil {
		h = to.id
	}
	cut := func(a, b int32) bool { return n.cuts[pair{a, b}] > 0 }
	if cut(from.id, h) || cut(from.id, d) || cut(s, h) || cut(s, d) || cut(from.id, anyID) || cut(anyID, h) {
		return true
	}
	return s != d && (cut(s, anyID) || cut(anyID, d))
}
