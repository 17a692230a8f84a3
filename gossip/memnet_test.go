package gossip

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"selvage/internal/ident"
)

// memNet is a network of nodes in one process. It can be cut between any two of them.
type memNet struct {
	mu    sync.Mutex
	nodes map[ident.NodeID]*memPort
	cut   map[[2]ident.NodeID]bool
	conns map[*memConn]bool
	spy   func(from, to ident.NodeID, protocol string, b []byte) // sees all writes; set before the first
	rate  int                                                    // of each stream, bytes a second; 0: no bound
}

// memPort is one node's Network.
type memPort struct {
	net      *memNet
	id       ident.NodeID
	handlers map[string]func(ident.NodeID, net.Conn)
}

var _ Network = (*memPort)(nil)

// memConn is one end of a stream.
type memConn struct {
	net.Conn
	net      *memNet
	from, to ident.NodeID
	protocol string
}

func newMemNet() *memNet {
	return &memNet{nodes: map[ident.NodeID]*memPort{}, cut: map[[2]ident.NodeID]bool{}, conns: map[*memConn]bool{}}
}

func nodeID(site, n int) ident.NodeID { return ident.NodeID{byte(site + 1), byte(n + 1)} }

func (n *memNet) port(id ident.NodeID) *memPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &memPort{net: n, id: id, handlers: map[string]func(ident.NodeID, net.Conn){}}
	n.nodes[id] = p
	return p
}

func pair(a, b ident.NodeID) [2]ident.NodeID {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return [2]ident.NodeID{a, b}
}

// set cuts or heals the link between two nodes. A cut closes their streams.
func (n *memNet) set(a, b ident.NodeID, cut bool) {
	n.mu.Lock()
	n.cut[pair(a, b)] = cut
	var closing []*memConn
	for c := range n.conns {
		if cut && pair(c.from, c.to) == pair(a, b) {
			closing = append(closing, c)
		}
	}
	n.mu.Unlock()
	for _, c := range closing {
		c.Close()
	}
}

// drop takes a node off the network.
func (n *memNet) drop(id ident.NodeID) {
	n.mu.Lock()
	var others []ident.NodeID
	for o := range n.nodes {
		others = append(others, o)
	}
	n.mu.Unlock()
	for _, o := range others {
		n.set(id, o, true)
	}
}

func (p *memPort) Handle(protocol string, serve func(ident.NodeID, net.Conn)) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.handlers[protocol] = serve
}

var errUnreachable = errors.New("unreachable")

func (p *memPort) Open(ctx context.Context, to ident.NodeID, protocol string) (net.Conn, error) {
	n := p.net
	n.mu.Lock()
	defer n.mu.Unlock()
	peer := n.nodes[to]
	if peer == nil || n.cut[pair(p.id, to)] || peer.handlers[protocol] == nil || ctx.Err() != nil {
		return nil, errUnreachable
	}
	a, b := net.Pipe()
	mine := &memConn{a, n, p.id, to, protocol}
	theirs := &memConn{b, n, to, p.id, protocol}
	n.conns[mine], n.conns[theirs] = true, true
	go peer.handlers[protocol](p.id, theirs)
	return mine, nil
}

func (c *memConn) Write(b []byte) (sent int, err error) {
	if c.net.rate == 0 {
		return c.write(b)
	}
	for piece := range slices.Chunk(b, 64) {
		time.Sleep(time.Duration(len(piece)) * time.Second / time.Duration(c.net.rate))
		n, err := c.write(piece)
		if sent += n; err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (c *memConn) write(b []byte) (int, error) {
	if c.net.spy != nil {
		c.net.spy(c.from, c.to, c.protocol, b)
	}
	return c.Conn.Write(b)
}

// SetReadDeadline is no error once the other end has closed: what it wrote before has still to be read.
func (c *memConn) SetReadDeadline(t time.Time) error {
	if err := c.Conn.SetReadDeadline(t); !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	return nil
}

func (c *memConn) Close() error {
	c.net.mu.Lock()
	delete(c.net.conns, c)
	c.net.mu.Unlock()
	return c.Conn.Close()
}
