package network

// maxHeld bounds what waits at a machine that is held, in each direction, in bytes on the wire; what
// comes then is dropped. It is what Linux gives a socket to receive (net.core.rmem_default).
const maxHeld = 212_992

// Hold is a machine that stands still.
type Hold struct {
	host     *Host
	deaf     bool
	released bool
}

// held are packets that wait at a machine until it goes on.
type held struct {
	packets []*packet
	bytes   int
}

// Hold has the machine stand still until the hold is released: what it sends waits, and so does what comes
// for it, unless it is deaf: then that is lost. Holds add up; the machine goes on when the last is released.
func (h *Host) Hold(deaf bool) *Hold {
	k := &Hold{host: h, deaf: deaf}
	n := h.site.n
	now, err := n.lock()
	if err != nil {
		return k // nothing is sent any more
	}
	defer n.unlock(now)
	h.holds++
	if deaf {
		h.deaf++
	}
	return k
}

// Release ends the hold; a second time does nothing.
func (k *Hold) Release() {
	n := k.host.site.n
	now, err := n.lock()
	if err != nil {
		return
	}
	defer n.unlock(now)
	if k.released {
		return
	}
	k.released = true
	h := k.host
	if k.deaf {
		h.deaf--
	}
	if h.holds--; h.holds > 0 {
		return
	}
	in, out := h.in.packets, h.out.packets
	h.in, h.out = held{}, held{}
	for _, p := range in {
		n.deliver(now, p)
	}
	for _, p := range out {
		n.route(now, p)
	}
}

// keep reports whether a packet waits; otherwise there is no room.
func (q *held) keep(p *packet) bool {
	if q.bytes+p.wire > maxHeld {
		return false
	}
	q.bytes += p.wire
	q.packets = append(q.packets, p)
	return true
}
