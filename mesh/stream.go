package mesh

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// stream is a libp2p stream as a net.Conn, shaped if it crosses the uplink.
type stream struct {
	network.Stream
	up, down *bucket // nil within the site
	bulk     bool

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu            sync.Mutex
	writeDeadline time.Time // the libp2p stream keeps them, and does not tell
}

var _ net.Conn = (*stream)(nil)

func newStream(s network.Stream) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	return &stream{Stream: s, ctx: ctx, cancel: cancel}
}

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return addrOf(s.Conn().LocalMultiaddr()) }

// RemoteAddr implements net.Conn.
func (s *stream) RemoteAddr() net.Addr { return addrOf(s.Conn().RemoteMultiaddr()) }

// Write sends all of p, waiting for the uplink where it must.
func (s *stream) Write(p []byte) (int, error) {
	if s.up == nil {
		return s.Stream.Write(p)
	}
	if !s.bulk {
		s.up.debit(len(p))
		return s.Stream.Write(p)
	}
	sent := 0
	for sent < len(p) {
		n := s.up.most(len(p) - sent)
		if err := s.pause(s.up, n, s.deadline()); err != nil {
			return sent, err
		}
		n, err := s.Stream.Write(p[sent : sent+n])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Read gets some bytes; what it waits for comes after them, so that the sender feels it.
func (s *stream) Read(p []byte) (int, error) {
	if s.down == nil {
		return s.Stream.Read(p)
	}
	if !s.bulk {
		n, err := s.Stream.Read(p)
		s.down.debit(n)
		return n, err
	}
	n, err := s.Stream.Read(p[:s.down.most(len(p))])
	if n > 0 {
		if werr := s.pause(s.down, min(n, s.down.most(n)), time.Time{}); err == nil {
			err = werr
		}
	}
	return n, err
}

// pause waits for the bucket until the deadline; the zero deadline is none.
func (s *stream) pause(b *bucket, n int, deadline time.Time) error {
	ctx := s.ctx
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	return b.wait(ctx, n)
}

func (s *stream) deadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeDeadline
}

// SetDeadline implements net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	s.mu.Lock()
	s.writeDeadline = t
	s.mu.Unlock()
	return s.Stream.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	s.writeDeadline = t
	s.mu.Unlock()
	return s.Stream.SetWriteDeadline(t)
}

// Close implements net.Conn.
func (s *stream) Close() error {
	s.cancel()
	return s.Stream.Close()
}

// Reset ends the stream in both directions at once; what was written may be lost.
func (s *stream) Reset() error {
	s.cancel()
	return s.Stream.Reset()
}

func addrOf(m ma.Multiaddr) net.Addr {
	if n, err := manet.ToNetAddr(m); err == nil {
		return n
	}
	return &net.UDPAddr{}
}
