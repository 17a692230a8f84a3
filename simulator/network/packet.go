package network

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// packet is a datagram under way.
type packet struct {
	data []byte
	wire int // bytes on the wire

	id     uint64
	from   *Host
	to     netip.AddrPort // as the sender wrote it
	src    netip.AddrPort // as it is seen now: NAT changes it
	seen   *net.UDPAddr   // src, as the receiver gets it; shared, never written to
	site   *Site          // where it goes
	host   *Host          // where it goes; nil before the NAT of its site has said
	port   uint16         // the port there
	stage  stage
	queued time.Duration // when it came to the queue that it is in
}

// stage is what a packet has behind it when it arrives.
type stage uint8

const (
	inside  stage = iota // the LAN, and stays in the site
	leaving              // the LAN of its sender, and goes up
	core                 // its sender's uplink
	coming               // its receiver's uplink
	home                 // its receiver's LAN
)

// pool keeps buffers for the next packets. It has a lock of its own, which nothing is locked under.
type pool struct {
	mu   sync.Mutex
	free []*packet
}

// maxFree bounds the pool: about 12 MB.
const maxFree = 8192

func (l *pool) get(data []byte) *packet {
	l.mu.Lock()
	var p *packet
	if n := len(l.free); n > 0 {
		p, l.free[n-1] = l.free[n-1], nil
		l.free = l.free[:n-1]
	}
	l.mu.Unlock()
	if p == nil {
		p = &packet{data: make([]byte, 0, max(len(data), DefaultMTU))}
	}
	p.data = append(p.data[:0], data...)
	p.wire = len(data) + Headers
	return p
}

// put takes a packet back; nobody may look at it any more.
func (l *pool) put(p *packet) {
	*p = packet{data: p.data}
	if cap(p.data) > 2*DefaultMTU {
		return // a rare one; the garbage collector's
	}
	l.mu.Lock()
	if len(l.free) < maxFree {
		l.free = append(l.free, p)
	}
	l.mu.Unlock()
}

// ring is a queue of packets that takes no memory when nothing was ever in it. Who pushes bounds it.
type ring struct {
	buf  []*packet // its length is a power of two, or 0
	head int
	n    int
}

func (r *ring) push(p *packet) {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = p
	r.n++
}

func (r *ring) grow() {
	buf := make([]*packet, max(8, 2*len(r.buf)))
	n := copy(buf, r.buf[r.head:])
	copy(buf[n:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}

// pop returns nil if the ring is empty.
func (r *ring) pop() *packet {
	if r.n == 0 {
		return nil
	}
	p := r.buf[r.head]
	r.buf[r.head] = nil
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return p
}
