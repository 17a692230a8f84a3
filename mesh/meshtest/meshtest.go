// Package meshtest has peers that speak libp2p's QUIC and nothing above it: what a stranger with a
// key can do, and the limit with which benchmarks compare what the mesh leaves of it.
package meshtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
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
	k, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id, err0 := peer.IDFromPrivateKey(k)
	reset, err1 := config.PrivKeyToStatelessResetKey(k)
	token, err2 := config.PrivKeyToTokenGeneratorKey(k)
	cm, err3 := quicreuse.NewConnManager(reset, token, opts...)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	tr, err := libp2pquic.NewTransport(k, cm, nil, nil, &network.NullResourceManager{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cm.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Peer{tr, id}
}

// Stream connects two bare peers on the loopback interface. Each call of what it returns moves so
// many bytes over a stream of its own, and returns the time that took.
func Stream(b testing.TB, size int64) func() time.Duration {
	b.Helper()
	server, client := NewPeer(b, newKey(b)), NewPeer(b, newKey(b))
	ln, err := server.Listen(ma.StringCast("/ip4/127.0.0.1/udp/0/quic-v1"))
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		give(ln, size)
	}()
	c, err := client.Dial(context.Background(), ln.Multiaddr(), server.ID)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = errors.Join(c.Close(), ln.Close()) // the measurement is over
		<-done
	})
	return func() time.Duration {
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
		if n, err := io.Copy(io.Discard, s); n != size || err != nil {
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
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
