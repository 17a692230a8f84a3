package network

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// line is a pipe in its place in the network.
type line struct {
	pipe
	rnd  *rand.Rand
	wake time.Duration // when the event for next is; never, if there is none
}

func newLine(l Link, rnd *rand.Rand) *line {
	return &line{pipe: pipe{link: l.whole()}, rnd: rnd, wake: never}
}

// Addresses: the host k of the site i is 10.i/256.i%256.k, and the public side of its NAT 11.i/256.i%256.1.
const (
	privateNet = 10
	publicNet  = 11
)

// find returns the site of an address, and the host if it is the address of one.
func (n *Net) find(ip netip.Addr) (s *Site, h *Host, public bool) {
	ip = ip.Unmap()
	if !ip.Is4() {
		return nil, nil, false
	}
	b := ip.As4()
	i := int(b[1])<<8 | int(b[2])
	if i >= len(n.sites) {
		return nil, nil, false
	}
	s = n.sites[i]
	if b[0] == publicNet && s.nat != nil && b[3] == 1 {
		return s, nil, true
	}
	if k := int(b[3]); b[0] == privateNet && k >= 1 && k <= len(s.hosts) {
		return s, s.hosts[k-1], false
	}
	return nil, nil, false
}

// send puts a packet on its way.
func (n *Net) send(now time.Duration, p *packet, src netip.AddrPort, seen *net.UDPAddr) {
	n.packets++
	p.id, p.src, p.seen, p.port = n.packets, src, seen, p.to.Port()
	h := p.from
	h.count.Sent.Packets++
	h.count.Sent.Bytes += int64(p.wire)
	n.flying += p.wire
	n.tell(now, p, Sent, 0)
	switch {
	case h.holds == 0:
		n.route(now, p)
	case !h.out.keep(p):
		n.drop(now, p, BufferFull, nil)
	}
}

// route takes a packet from its sender to the first link.
func (n *Net) route(now time.Duration, p *packet) {
	h := p.from
	var public bool
	p.site, p.host, public = n.find(p.to.Addr())
	local := p.site == h.site
	switch {
	case h.down > 0:
		n.drop(now, p, HostDown, nil)
	case p.site == nil:
		n.drop(now, p, NobodyThere, nil)
	case local && public: // hairpins are not modelled
		n.drop(now, p, Unmapped, &h.site.up.tally)
	case n.flying > maxFlying:
		n.drop(now, p, QueueFull, nil)
	case p.host == h:
		n.deliver(now, p)
	case n.severed(p):
		n.drop(now, p, Severed, h.site.tallyOf(local))
	default:
		if p.stage = inside; !local {
			p.stage = leaving
		}
		n.enter(now, h.site.lan, p)
	}
}

// tallyOf returns the counters of the LAN, or of the uplink up.
func (s *Site) tallyOf(local bool) *Counters {
	if local {
		return &s.lan.tally
	}
	return &s.up.tally
}

// arrive takes a packet from the end of one link to the next.
func (n *Net) arrive(at time.Duration, p *packet) {
	switch p.stage {
	case inside, home:
		n.deliver(at, p)
	case leaving:
		n.leave(at, p)
	case core:
		n.cross(at, p)
	case coming:
		n.come(at, p)
	}
}

// leave takes a packet through the NAT of its sender's site, and up.
func (n *Net) leave(at time.Duration, p *packet) {
	s := p.from.site
	if s.nat != nil {
		m := s.nat.out(at, p.src, p.to)
		if m == nil {
			n.drop(at, p, Unmapped, &s.up.tally)
			return
		}
		p.src, p.seen = m.outer, m.seen
	}
	p.stage = core
	n.enter(at, s.up, p)
}

// cross takes a packet through the core, which knows no private address behind a NAT.
func (n *Net) cross(at time.Duration, p *packet) {
	down := p.site.down
	switch {
	case p.site.nat != nil && p.host != nil:
		n.drop(at, p, Unmapped, &down.tally)
	case n.severed(p):
		n.drop(at, p, Severed, &down.tally)
	default:
		p.stage = coming
		n.enter(at, down, p)
	}
}

// come takes a packet through the NAT of its receiver's site, and to the LAN.
func (n *Net) come(at time.Duration, p *packet) {
	s := p.site
	if s.nat != nil {
		m := s.nat.in(at, p.port, p.src)
		if m == nil {
			n.drop(at, p, Unmapped, &s.down.tally)
			return
		}
		_, p.host, _ = n.find(m.inner.Addr())
		p.port = m.inner.Port()
	}
	p.stage = home
	n.enter(at, s.lan, p)
}

// deliver hands a packet to the socket that it is for. A cut also catches what was under way before it.
func (n *Net) deliver(at time.Duration, p *packet) {
	h := p.host
	where := &h.site.lan.tally
	if p.stage == home {
		where = &h.site.down.tally
	}
	c := h.conns[p.port]
	switch {
	case h.down > 0:
		n.drop(at, p, HostDown, where)
	case n.severed(p):
		n.drop(at, p, Severed, where)
	case h.deaf > 0:
		n.drop(at, p, HostDown, where)
	case h.holds > 0:
		if !h.in.keep(p) {
			n.drop(at, p, BufferFull, where)
		}
	case c == nil:
		n.drop(at, p, NobodyThere, where)
	case !c.room(p.wire):
		n.drop(at, p, BufferFull, where)
	default:
		n.tell(at, p, Delivered, 0)
		n.flying -= p.wire
		h.count.Received.Packets++
		h.count.Received.Bytes += int64(p.wire)
		c.push(p) // then it may be gone already
	}
}

// enter offers a packet to a link.
func (n *Net) enter(now time.Duration, l *line, p *packet) {
	l.offer(now, p, l.rnd)
	n.drain(l)
}

// drain does what a link said.
func (n *Net) drain(l *line) {
	for i, x := range l.out {
		l.out[i] = exit{}
		if x.cause != 0 {
			n.drop(x.at, x.p, x.cause, nil) // the pipe has counted it
			continue
		}
		n.schedule(event{at: x.at, p: x.p})
		if x.twice {
			n.schedule(event{at: x.at, p: n.double(x.p)})
		}
	}
	l.out = l.out[:0]
	if at := l.next(); at != l.wake && at != never {
		l.wake = at
		n.schedule(event{at: at, l: l})
	}
}

func (n *Net) double(p *packet) *packet {
	q := n.pool.get(p.data)
	data := q.data
	*q = *p
	q.data = data
	n.flying += q.wire
	return q
}

// drop ends a packet. where is the link it is counted at, if that is not done.
func (n *Net) drop(at time.Duration, p *packet, c Cause, where *Counters) {
	n.tell(at, p, Dropped, c)
	n.flying -= p.wire
	p.from.count.Sent.Dropped[c]++
	if p.host != nil {
		p.host.count.Received.Dropped[c]++
	}
	if where != nil {
		where.Dropped[c]++
	}
	n.pool.put(p)
}

func (n *Net) tell(at time.Duration, p *packet, k Kind, c Cause) {
	if n.cfg.Observe != nil {
		n.cfg.Observe(Event{At: at, Packet: p.id, Kind: k, Cause: c, Host: p.from, From: p.src, To: p.to, Wire: p.wire})
	}
}
