package mesh

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"

	"selvage/mesh/meshtest"
)

// rawPeer speaks libp2p's QUIC and nothing above it. It is closed at the end of the test.
type rawPeer struct {
	t  testing.TB
	tr *meshtest.Peer
}

func newRawPeer(t testing.TB, key ed25519.PrivateKey, opts ...quicreuse.Option) *rawPeer {
	t.Helper()
	return &rawPeer{t, meshtest.NewPeer(t, key, opts...)}
}

func (r *rawPeer) dial(n *testNode) transport.CapableConn {
	r.t.Helper()
	_, addr, err := SplitAddr(n.Addrs()[0])
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := r.tr.Dial(ctx, ma.StringCast(addr), n.self.Peer())
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// rawOpen opens a stream for a protocol, and sends what follows.
func rawOpen(t testing.TB, c transport.CapableConn, protocol string, then ...[]byte) network.MuxedStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := c.OpenStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeProtocol(s, protocol); err != nil {
		t.Fatal(err)
	}
	for _, b := range then {
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// rawFrame is a frame of whatever bytes.
func rawFrame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	body, err := c.enc.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return rawFrame(body)
}

// isOver reports whether a stream was ended by the other side without a byte of answer, within a time.
func isOver(s network.MuxedStream, within time.Duration) bool {
	_ = s.SetReadDeadline(time.Now().Add(within))
	n, err := io.Copy(io.Discard, s)
	return n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// closes reports whether the connection ends within a time.
func closes(c transport.CapableConn, within time.Duration) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if c.IsClosed() {
			return true
		}
	}
	return false
}
