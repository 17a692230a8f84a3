package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"selvage/internal/ident"
)

// Stream protocols of the membership.
const (
	packetProtocol = "/selvage/serf-packet/1"
	streamProtocol = "/selvage/serf-stream/1"
)

const (
	maxPackets  = 256  // received packets that memberlist has not taken yet; more are dropped
	maxOutgoing = 64   // packets in the queue to one member; more are dropped
	maxKnown    = 4096 // members whose addresses are known; more are not talked to
)

var (
	errNotMate = errors.New("not a member of this site")
	errClosed  = errors.New("membership closed")
)

// transport carries memberlist's packets and streams over a Network.
type transport struct {
	net     Network
	self    ident.NodeID
	inSite  func(ident.NodeID) bool
	packets chan *memberlist.Packet
	streams chan net.Conn
	begin   func()          // called once, when memberlist is about to start its goroutines
	ctx     context.Context // ends at Shutdown
	stop    context.CancelFunc
	wg      sync.WaitGroup
	once    sync.Once // of begin

	mu     sync.Mutex
	closed bool
	known  map[string]ident.NodeID // by synthetic address
	out    map[ident.NodeID]chan []byte
	held   map[*addressed]struct{} // connections that memberlist has
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

func newTransport(n Network, self ident.NodeID, inSite func(ident.NodeID) bool) *transport {
	ctx, stop := context.WithCancel(context.Background())
	// A node is of its own site, also before anybody has admitted it: memberlist is no member of a
	// site in which it may not hear of itself.
	selfOr := func(id ident.NodeID) bool { return id == self || inSite(id) }
	t := &transport{
		net: n, self: self, inSite: selfOr, ctx: ctx, stop: stop,
		packets: make(chan *memberlist.Packet, maxPackets),
		streams: make(chan net.Conn),
		begin:   func() {},
		known:   make(map[string]ident.NodeID),
		out:     make(map[ident.NodeID]chan []byte),
		held:    make(map[*addressed]struct{}),
	}
	n.Handle(packetProtocol, func(from ident.NodeID, conn net.Conn) { t.serve(from, conn, t.receivePackets) })
	n.Handle(streamProtocol, func(from ident.NodeID, conn net.Conn) { t.serve(from, conn, t.handOver) })
	return t
}

// learn notes a member's address. It reports whether the node may be talked to.
func (t *transport) learn(id ident.NodeID) bool {
	if id.IsZero() || !t.inSite(id) {
		return false
	}
	addr := syntheticAddr(id).String()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxKnown && t.known[addr].IsZero() {
		return false
	}
	t.known[addr] = id
	return true
}

// find returns the node that memberlist means. Not all its messages say a name.
func (t *transport) find(a memberlist.Address) (ident.NodeID, error) {
	t.mu.Lock()
	id := t.known[a.Addr]
	t.mu.Unlock()
	if id.IsZero() && a.Name != "" {
		named, err := ident.Parse(a.Name)
		if err != nil || syntheticAddr(named).String() != a.Addr {
			return ident.NodeID{}, fmt.Errorf("find %q at %s: %w", a.Name, a.Addr, errNotMate)
		}
		id = named
	}
	if !t.learn(id) {
		return ident.NodeID{}, fmt.Errorf("find %q at %s: %w", a.Name, a.Addr, errNotMate)
	}
	return id, nil
}

// serve runs f on a stream from a mate; strangers are turned away. Shutdown waits for f.
func (t *transport) serve(from ident.NodeID, conn net.Conn, f func(ident.NodeID, net.Conn)) {
	if !t.learn(from) || !t.enter() {
		conn.Close()
		return
	}
	defer t.wg.Done()
	f(from, conn)
}

func (t *transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.wg.Add(1)
	return true
}

// handOver gives a stream to memberlist, which closes it.
func (t *transport) handOver(from ident.NodeID, conn net.Conn) {
	c := t.hold(from, from, conn)
	if c == nil {
		return
	}
	select {
	case t.streams <- c:
	case <-t.ctx.Done():
		c.Close()
	}
}

// FinalAdvertiseAddr implements memberlist.Transport. The first call comes before memberlist starts any goroutine.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	t.once.Do(t.begin)
	return syntheticIP(t.self), serfPort, nil
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *transport) DialTimeout(addr string, d time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, d)
}

func (t *transport) DialAddressTimeout(a memberlist.Address, d time.Duration) (net.Conn, error) {
	id, err := t.find(a)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, d)
	defer cancel()
	conn, err := t.net.Open(ctx, id, streamProtocol)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", id.Short(), err)
	}
	if c := t.hold(id, t.self, conn); c != nil {
		return c, nil
	}
	return nil, errClosed
}

// Shutdown cuts all streams and waits for all goroutines of the transport.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.stop()
	t.release()
	t.wg.Wait()
	return nil
}
