package exchange

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/internal/disk/osdisk"
	"selvage/internal/ident"
)

// streams is a distribute.Network over the streams of a libp2p host.
type streams struct {
	host host.Host
	sent *atomic.Int64 // bytes that were written to the streams it serves
}

// conn makes a stream a net.Conn; swarms do not look at its addresses.
type conn struct {
	network.Stream
	sent *atomic.Int64
}

func (c conn) Write(b []byte) (int, error) {
	n, err := c.Stream.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

func (conn) LocalAddr() net.Addr  { return &net.UDPAddr{} }
func (conn) RemoteAddr() net.Addr { return &net.UDPAddr{} }

func (s streams) Open(ctx context.Context, to ident.NodeID, name string) (net.Conn, error) {
	st, err := s.host.NewStream(ctx, to.Peer(), protocol.ID(name))
	if err != nil {
		return nil, err
	}
	return conn{st, new(atomic.Int64)}, nil
}

func (s streams) Handle(name string, serve func(from ident.NodeID, conn net.Conn)) {
	s.host.SetStreamHandler(protocol.ID(name), func(st network.Stream) {
		defer st.Close()
		from, err := ident.FromPeer(st.Conn().RemotePeer())
		if err != nil {
			_ = st.Reset() // nobody of the test has such a key
			return
		}
		serve(from, conn{st, s.sent})
	})
}

// newHost returns a host that listens with QUIC on this machine.
func newHost(tb testing.TB) host.Host {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	private, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(private), libp2p.Transport(quic.NewTransport),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"), libp2p.DisableRelay(), libp2p.ResourceManager(&network.NullResourceManager{}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = h.Close() })
	return h
}

// connected returns so many hosts, each connected to all others.
func connected(tb testing.TB, n int) []host.Host {
	hosts := make([]host.Host, n)
	for i := range hosts {
		hosts[i] = newHost(tb)
		for _, other := range hosts[:i] {
			if err := hosts[i].Connect(context.Background(), peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return hosts
}

// member is a node with a swarm and a store on disk.
type member struct {
	id    ident.NodeID
	store *store.Store
	swarm *distribute.Swarm
	ex    *Exchange
	sent  atomic.Int64
}

// members puts a swarm on each host, all of one site, and tells them of each other.
func members(tb testing.TB, hosts []host.Host) []*member {
	all := make([]*member, len(hosts))
	for i, h := range hosts {
		id, err := ident.FromPeer(h.ID())
		if err != nil {
			tb.Fatal(err)
		}
		m := &member{id: id, store: newStore(tb)}
		m.swarm = distribute.NewSwarm(distribute.Config{Network: streams{h, &m.sent}, Store: m.store, Self: id, Site: "here"})
		m.ex = New(m.swarm, m.store)
		tb.Cleanup(func() {
			_ = m.ex.Close()
			m.swarm.Close()
		})
		all[i] = m
	}
	for _, m := range all {
		for _, o := range all {
			if m != o {
				m.swarm.PeerUp(o.id, "here")
			}
		}
	}
	return all
}

func newStore(tb testing.TB) *store.Store {
	fs, err := osdisk.Open(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	s, err := store.Open(fs, "store")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = s.Close()
		_ = fs.Close()
	})
	return s
}

// scripted is a Swarm whose fetches do as they are told.
type scripted func(ctx context.Context, w store.Want, more func([]int)) error

func (f scripted) Follow(ctx context.Context, w store.Want, more func([]int)) error {
	return f(ctx, w, more)
}

var errDisk = fmt.Errorf("the disk is full")
