package network_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
	"selvage/mesh"
	"selvage/simulator/network"
)

var _ mesh.Sockets = (*network.Host)(nil)

// open admits everyone, as the node of its name and site.
type open struct{ name, site string }

var _ mesh.Gate = open{}

func (g open) Hello() mesh.Hello {
	return mesh.Hello{Fleet: []byte("f"), Credential: []byte(g.name + " " + g.site)}
}
func (g open) Charters(uint64) [][]byte { return nil }
func (g open) Learn([][]byte) error     { return nil }
func (g open) Judge(remote ident.NodeID, h mesh.Hello) (mesh.Peer, error) {
	p := mesh.Peer{ID: remote}
	_, err := fmt.Sscan(string(h.Credential), &p.Name, &p.Site)
	return p, err
}

const bulk = "/test/bulk"

// node is a mesh on a host of the network. It gives size bytes to who opens a stream.
type node struct {
	*mesh.Host
	id ident.NodeID
}

func startNode(t testing.TB, h *network.Host, size int) *node {
	t.Helper()
	seed := sha256.Sum256([]byte(h.String()))
	key := ed25519.NewKeyFromSeed(seed[:])
	m, err := mesh.New(mesh.Config{Key: key, Site: h.Site().Name(), Listen: []string{h.Addr().String() + ":4001"},
		Bulk: []string{bulk}, Gate: open{h.Name(), h.Site().Name()}, Sockets: h})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64<<10)
	m.Handle(bulk, func(_ ident.NodeID, c net.Conn) {
		defer c.Close()
		for left := size; left > 0; left -= len(data) {
			if _, err := c.Write(data[:min(left, len(data))]); err != nil {
				return
			}
		}
	})
	return &node{m, ident.FromPrivateKey(key)}
}

// get has size bytes from a peer; it waits until the two have met.
func (n *node) get(from *node, size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	n.Learn(from.Addrs()...)
	for {
		c, err := n.Open(ctx, from.id, bulk)
		if err != nil && ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		defer c.Close()
		got, err := io.Copy(io.Discard, c)
		if err == nil && got != int64(size) {
			err = fmt.Errorf("got %d bytes", got)
		}
		return err
	}
}

// quicRing has every node of sites x per have size bytes from the node after it, in a bubble.
func quicRing(t testing.TB, sites, per, size int, cfg network.SiteConfig) (took time.Duration) {
	n, err := network.New(network.Config{Rand: rand.NewPCG(1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*node
	for i := range sites {
		s, err := n.AddSite(fmt.Sprint("s", i), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for j := range per {
			h, err := s.AddHost(fmt.Sprint("n", j))
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, startNode(t, h, size))
		}
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for i, m := range nodes {
		wg.Go(func() {
			if err := m.get(nodes[(i+1)%len(nodes)], size); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	took = time.Since(begin)
	for _, m := range nodes {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	return took
}

// BenchmarkQUIC moves 1 GB among 100 nodes, in virtual time, each from the next: at 20 sites, where most
// of it stays in the site, and at 100, where all of it crosses uplinks.
func BenchmarkQUIC(b *testing.B) {
	cfg := network.SiteConfig{
		Up:   network.Link{Rate: 100e6, Latency: 10 * time.Millisecond},
		Down: network.Link{Rate: 100e6, Latency: 10 * time.Millisecond},
		LAN:  network.Link{Rate: 1e9, Latency: 200 * time.Microsecond},
	}
	for _, sites := range []int{20, 100} {
		b.Run(fmt.Sprint(sites, "sites"), func(b *testing.B) {
			b.SetBytes(1e9)
			for b.Loop() {
				var took time.Duration
				synctest.Test(new(testing.T), func(*testing.T) { took = quicRing(b, sites, 100/sites, 1e7, cfg) })
				b.ReportMetric(took.Seconds(), "virtual-s/op")
			}
		})
	}
}

// TestQUIC has nodes meet and move a megabyte each over thin, lossy uplinks.
func TestQUIC(t *testing.T) {
	const size = 1e6
	thin := network.Link{Rate: 8e6, Latency: 20 * time.Millisecond, Jitter: 2 * time.Millisecond, Loss: 0.001, CoDel: true}
	synctest.Test(t, func(t *testing.T) {
		took := quicRing(t, 2, 2, size, network.SiteConfig{Up: thin, Down: thin, LAN: network.Link{Latency: time.Millisecond}})
		// Of four transfers two cross the uplinks, one each way.
		if bound := time.Duration(size * 8 / 8e6 * float64(time.Second)); took < bound || took > 5*bound {
			t.Errorf("a megabyte up and down each uplink took %v, want little more than %v", took, bound)
		}
	})
}
