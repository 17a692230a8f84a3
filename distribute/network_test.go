package distribute

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"selvage/internal/ident"
)

// pipeRoom bounds what was written to a pipe and not read.
const pipeRoom = 512 << 10

// line is what bytes pass one after the other: its pace is shared by all pipes that cross it.
type line struct {
	rate    float64 // bytes a second; 0 is any
	latency time.Duration

	mu    sync.Mutex
	next  time.Time // when it is free
	bytes int64     // bulk ones that crossed, or were lost on the way
	read  int64     // of these, those that were read
}

// pass returns when bytes that are sent now arrive.
func (l *line) pass(n int, bulk bool) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	if l.rate > 0 {
		l.next = l.next.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	}
	if bulk {
		l.bytes += int64(n)
	}
	return l.next.Add(l.latency)
}

func (l *line) arrived(n int, bulk bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bulk {
		l.read += int64(n)
	}
}

func (l *line) came() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.read
}

func (l *line) crossed() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

type segment struct {
	data  []byte
	ready time.Time
}

// pipe is one direction of a connection.
type pipe struct {
	lines []*line
	bulk  bool

	mu            sync.Mutex
	cond          *sync.Cond
	queue         []segment
	size          int
	eof, reset    bool // the writer closed; either end reset, or the reader closed
	readBy, write time.Time
}

func newPipe(bulk bool, lines ...*line) *pipe {
	p := &pipe{lines: lines, bulk: bulk}
	p.cond = sync.NewCond(&p.mu)
	return p
}

// wait waits for a change, at most until t unless that is zero. The caller holds mu.
func (p *pipe) wait(t time.Time) {
	if !t.IsZero() {
		timer := time.AfterFunc(time.Until(t), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.cond.Broadcast()
		})
		defer timer.Stop()
	}
	p.cond.Wait()
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.reset:
			return 0, net.ErrClosed
		case past(p.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(p.queue) > 0 && !time.Now().Before(p.queue[0].ready):
			n := copy(b, p.queue[0].data)
			if p.queue[0].data = p.queue[0].data[n:]; len(p.queue[0].data) == 0 {
				p.queue = p.queue[1:]
			}
			p.size -= n
			p.cond.Broadcast()
			for _, l := range p.lines {
				l.arrived(n, p.bulk)
			}
			return n, nil
		case len(p.queue) == 0 && p.eof:
			return 0, io.EOF
		}
		until := p.readBy
		if len(p.queue) > 0 && (until.IsZero() || p.queue[0].ready.Before(until)) {
			until = p.queue[0].ready
		}
		p.wait(until)
	}
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for sent := 0; ; {
		switch {
		case p.reset || p.eof:
			return sent, net.ErrClosed
		case past(p.write):
			return sent, os.ErrDeadlineExceeded
		case sent == len(b):
			return sent, nil
		case p.size < pipeRoom:
			n := min(len(b)-sent, 16<<10)
			var ready time.Time
			for _, l := range p.lines {
				if at := l.pass(n, p.bulk); at.After(ready) {
					ready = at
				}
			}
			p.queue = append(p.queue, segment{append([]byte(nil), b[sent:sent+n]...), ready})
			p.size += n
			sent += n
			p.cond.Broadcast()
			continue
		}
		p.wait(p.write)
	}
}

func (p *pipe) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.cond.Broadcast()
}

// conn is one end of a connection of two pipes.
type conn struct {
	in, out *pipe
}

func (c *conn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *conn) LocalAddr() net.Addr         { return &net.UDPAddr{} }
func (c *conn) RemoteAddr() net.Addr        { return &net.UDPAddr{} }

func (c *conn) Close() error {
	c.out.set(func() { c.out.eof = true })
	c.in.set(func() { c.in.reset = true })
	return nil
}

func (c *conn) Reset() error {
	c.out.set(func() { c.out.reset = true })
	c.in.set(func() { c.in.reset = true })
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.set(func() { c.in.readBy = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.set(func() { c.out.write = t })
	return nil
}

// network joins nodes in memory. Nodes of one site are joined by lines of any speed, unless one has a slow way out; a site's
// uplink has one line each way.
type network struct {
	t  *testing.T
	wg sync.WaitGroup

	mu    sync.Mutex
	ports map[ident.NodeID]*port
	links map[[2]ident.NodeID]*link
	up    map[string]*line
	down  map[string]*line
}

// link is what joins two nodes while they are connected.
type link struct {
	conns []*conn
}

// port is a node's part of the network.
type port struct {
	net      *network
	id       ident.NodeID
	site     string
	handlers map[string]func(ident.NodeID, net.Conn)
	peer     func(id ident.NodeID, up bool, site string) // told of connections; nil if it does not care
	dials    bool                                        // Open connects
	out      *line                                       // what goes to nodes of its site; nil: at any speed
	late     time.Duration                               // it is told of connections so much later
}

var _ Network = (*port)(nil)

func newNetwork(t *testing.T) *network {
	return &network{
		t: t, ports: map[ident.NodeID]*port{}, links: map[[2]ident.NodeID]*link{},
		up: map[string]*line{}, down: map[string]*line{},
	}
}

// uplink gives a site's uplink a speed each way, bytes a second, and a latency.
func (w *network) uplink(site string, rate float64, latency time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up[site], w.down[site] = &line{rate: rate, latency: latency}, &line{rate: rate}
}

func (w *network) port(id ident.NodeID, site string) *port {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &port{net: w, id: id, site: site, handlers: map[string]func(ident.NodeID, net.Conn){}}
	w.ports[id] = p
	for _, m := range []map[string]*line{w.up, w.down} {
		if m[site] == nil {
			m[site] = &line{}
		}
	}
	return p
}

func pair(a, b ident.NodeID) [2]ident.NodeID {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	return [2]ident.NodeID{a, b}
}

// connect joins two nodes and tells both.
func (w *network) connect(a, b *port) {
	w.mu.Lock()
	if w.links[pair(a.id, b.id)] != nil || a == b {
		w.mu.Unlock()
		return
	}
	w.links[pair(a.id, b.id)] = &link{}
	w.mu.Unlock()
	b.tell(a, true)
	time.Sleep(a.late) // in virtual time
	a.tell(b, true)
}

// disconnect resets what goes on between two nodes and tells both.
func (w *network) disconnect(a, b *port) {
	w.mu.Lock()
	l := w.links[pair(a.id, b.id)]
	delete(w.links, pair(a.id, b.id))
	w.mu.Unlock()
	if l == nil {
		return
	}
	w.breakStreams(l)
	a.tell(b, false)
	b.tell(a, false)
}

func (w *network) breakStreams(l *link) {
	w.mu.Lock()
	conns := l.conns
	l.conns = nil
	w.mu.Unlock()
	for _, c := range conns {
		_ = c.Reset()
	}
}

// breakAll resets all streams; the nodes stay connected.
func (w *network) breakAll() {
	w.mu.Lock()
	var all []*link
	for _, l := range w.links {
		all = append(all, l)
	}
	w.mu.Unlock()
	for _, l := range all {
		w.breakStreams(l)
	}
}

func (p *port) tell(other *port, up bool) {
	if p.peer != nil {
		p.peer(other.id, up, other.site)
	}
}

// Open implements Network.
func (p *port) Open(_ context.Context, to ident.NodeID, protocol string) (net.Conn, error) {
	w := p.net
	w.mu.Lock()
	other := w.ports[to]
	l := w.links[pair(p.id, to)]
	w.mu.Unlock()
	if l == nil && p.dials && other != nil {
		w.connect(p, other)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l = w.links[pair(p.id, to)]
	if l == nil || other == nil || other.handlers[protocol] == nil {
		return nil, errors.New("cannot reach it")
	}
	there, back := p.toMates(), other.toMates()
	if p.site != other.site {
		there, back = []*line{w.up[p.site], w.down[other.site]}, []*line{w.up[other.site], w.down[p.site]}
	}
	bulk := protocol == FetchProtocol
	out, in := newPipe(bulk, there...), newPipe(bulk, back...)
	mine, theirs := &conn{in: in, out: out}, &conn{in: out, out: in}
	l.conns = append(l.conns, mine)
	serve := other.handlers[protocol]
	w.wg.Go(func() { serve(p.id, theirs) })
	return mine, nil
}

func (p *port) toMates() []*line {
	if p.out == nil {
		return nil
	}
	return []*line{p.out}
}

// Handle implements Network.
func (p *port) Handle(protocol string, serve func(from ident.NodeID, conn net.Conn)) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.handlers[protocol] = serve
}
