package mesh

import (
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// stream is a libp2p stream as a net.Conn. Within the site it adds nothing.
type stream struct{ network.Stream }

// controlStream crosses the uplink, and goes ahead of bulk.
type controlStream struct {
	stream
	up, down *bucket
}

// resettable is a connection that can be ended in both directions at once.
type resettable interface {
	net.Conn
	Reset() error
}

// bulkStream crosses the uplink, and waits for its tokens.
type bulkStream struct {
	resettable
	up, down    *bucket
	gone        <-chan struct{} // the connection is closed
	moved       *atomic.Int64   // when anything last went, unix nanoseconds
	closed      chan struct{}
	once        sync.Once
	read, write *deadline
}

var (
	_ net.Conn = stream{}
	_ net.Conn = controlStream{}
	_ net.Conn = (*bulkStream)(nil)
)

// LocalAddr implements net.Conn.
func (s stream) LocalAddr() net.Addr { return addrOf(s.Conn().LocalMultiaddr()) }

// RemoteAddr implements net.Conn.
func (s stream) RemoteAddr() net.Addr { return addrOf(s.Conn().RemoteMultiaddr()) }

// addrOf returns the IP address and the port of a multiaddr of QUIC.
func addrOf(m ma.Multiaddr) *net.UDPAddr {
	ip, err := manet.ToIP(m)
	if err != nil {
		return &net.UDPAddr{} // a name of DNS
	}
	port, err := m.ValueForProtocol(ma.P_UDP)
	if err != nil {
		return &net.UDPAddr{IP: ip}
	}
	n, err := strconv.Atoi(port)
	if err != nil { // a multiaddr checks its ports
		panic(err)
	}
	return &net.UDPAddr{IP: ip, Port: n}
}

// Write implements net.Conn.
func (s controlStream) Write(p []byte) (int, error) {
	s.up.debit(len(p))
	return s.stream.Write(p)
}

// Read implements net.Conn.
func (s controlStream) Read(p []byte) (int, error) {
	n, err := s.stream.Read(p)
	s.down.debit(n)
	return n, err
}

func newBulkStream(s resettable, up, down *bucket, gone <-chan struct{}, moved *atomic.Int64) *bulkStream {
	return &bulkStream{resettable: s, up: up, down: down, gone: gone, moved: moved, closed: make(chan struct{}), read: newDeadline(), write: newDeadline()}
}

// Write implements net.Conn: it sends all of p, a slice at a time.
func (s *bulkStream) Write(p []byte) (int, error) {
	sent := 0
	for {
		n := s.up.slice(len(p) - sent)
		if err := s.up.take(n, s.closed, s.gone, s.write.done()); err != nil {
			return sent, err
		}
		n, err := s.resettable.Write(p[sent : sent+n])
		s.note(n)
		if sent += n; err != nil || sent >= len(p) {
			return sent, err
		}
	}
}

// Read implements net.Conn. It waits until what was read before is paid for; while it does not
// read, QUIC's flow control makes the sender feel it.
func (s *bulkStream) Read(p []byte) (int, error) {
	if err := s.down.take(0, s.closed, s.gone, s.read.done()); err != nil {
		if err == os.ErrDeadlineExceeded || isClosed(s.closed) {
			return 0, err
		}
		// The connection is gone: what came before, and why it went, are for the stream to tell.
	}
	n, err := s.resettable.Read(p[:s.down.slice(len(p))])
	s.down.charge(n)
	s.note(n)
	return n, err
}

// note keeps when bytes went.
func (s *bulkStream) note(n int) {
	if n > 0 {
		s.moved.Store(time.Now().UnixNano())
	}
}

// SetDeadline implements net.Conn.
func (s *bulkStream) SetDeadline(t time.Time) error {
	s.read.set(t)
	s.write.set(t)
	return s.resettable.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *bulkStream) SetReadDeadline(t time.Time) error {
	s.read.set(t)
	return s.resettable.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (s *bulkStream) SetWriteDeadline(t time.Time) error {
	s.write.set(t)
	return s.resettable.SetWriteDeadline(t)
}

// Close implements net.Conn.
func (s *bulkStream) Close() error {
	s.end()
	return s.resettable.Close()
}

// Reset ends the stream in both directions at once; what was written may be lost.
func (s *bulkStream) Reset() error {
	s.end()
	return s.resettable.Reset()
}

// end wakes what waits for tokens.
func (s *bulkStream) end() {
	s.once.Do(func() {
		close(s.closed)
		s.read.stop()
		s.write.stop()
	})
}
