// Package meshtest has peers that speak libp2p's QUIC and nothing above it: what a stranger with a
// key can do, and the limit with which benchmarks compare what the mesh leaves of it.
package meshtest

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/config"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"
)

// Peer is one end of bare connections. It is closed when the test ends.
type Peer struct {
	transport.Transport
	ID peer.ID
}

// NewPeer returns a peer with a key, which by default opens sockets of this machine.
func NewPeer(t testing.TB, key ed25519.PrivateKey, opts ...quicreuse.Option) *Peer {
	t.Helper()
	p, end, err := newPeer(key, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func newPeer(key ed25519.PrivateKey, opts ...quicreuse.Option) (*Peer, func() error, error) {
	k, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	id, err0 := peer.IDFromPrivateKey(k)
	reset, err1 := config.PrivKeyToStatelessResetKey(k)
	token, err2 := config.PrivKeyToTokenGeneratorKey(k)
	cm, err3 := quicreuse.NewConnManager(reset, token, opts...)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		return nil, nil, err
	}
	tr, err := libp2pquic.NewTransport(k, cm, nil, nil, &network.NullResourceManager{})
	if err != nil {
		return nil, nil, errors.Join(err, cm.Close())
	}
	return &Peer{tr, id}, cm.Close, nil
}

// Stream connects two bare peers on the loopback interface. Each call of what it returns moves so
// many bytes over a stream of its own to a writer, and returns the time that took.
func Stream(b testing.TB, size int64) func(to io.Writer) time.Duration {
	b.Helper()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Source(w, size) }()
	at, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return StreamFrom(b, at, size)
}

// Source is one end of Stream, for a process of its own: it listens on the loopback interface, writes a line that says where to w,
// and answers every stream of one connection with so many bytes. It returns when that connection ends.
func Source(w io.Writer, size int64) error {
	key, err := generate()
	if err != nil {
		return err
	}
	server, end, err := newPeer(key)
	if err != nil {
		return err
	}
	ln, err := server.Listen(ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1"))
	if err != nil {
		return errors.Join(err, end())
	}
	_, err = fmt.Fprintf(w, "%s/p2p/%s\n", ln.Multiaddr(), server.ID)
	if err == nil {
		give(ln, size)
	}
	return errors.Join(err, ln.Close(), end())
}

// StreamFrom is the other end: it connects to a Source of so many bytes, by the line that it wrote.
func StreamFrom(b testing.TB, line string, size int64) func(to io.Writer) time.Duration {
	b.Helper()
	info, err := peer.AddrInfoFromString(strings.TrimSpace(line))
	if err != nil {
		b.Fatal(err)
	}
	c, err := NewPeer(b, newKey(b)).Dial(context.Background(), info.Addrs[0], info.ID)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() }) // the measurement is over
	return func(to io.Writer) time.Duration {
		b.Helper()
		begin := time.Now()
		s, err := c.OpenStream(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Write([]byte{0}); err != nil { // a stream is there when something was sent
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(to, struct{ io.Reader }{s}, make([]byte, 64<<10)); n != size || err != nil {
			b.Fatalf("%d bytes: %v", n, err)
		}
		return time.Since(begin)
	}
}

// give answers every stream of one connection with data.
func give(ln transport.Listener, size int64) {
	chunk := make([]byte, 256<<10)
	_, _ = rand.Read(chunk) // never fails
	c, err := ln.Accept()
	if err != nil {
		return
	}
	for {
		s, err := c.AcceptStream()
		if err != nil {
			return
		}
		_, _ = io.ReadFull(s, make([]byte, 1))
		for left := size; left > 0 && err == nil; left -= int64(len(chunk)) {
			_, err = s.Write(chunk[:min(left, int64(len(chunk)))])
		}
		_ = s.Close() // the other side counts
	}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	key, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func generate() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}
