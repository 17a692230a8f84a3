package distribute

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"selvage/distribute/store"
	"selvage/internal/disk/osdisk"
	"selvage/internal/ident"
)

const benchSize = 200 << 20

// loopback is a Network over TCP on this machine.
type loopback struct {
	id       ident.NodeID
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	addrs    map[ident.NodeID]string
	handlers map[string]func(ident.NodeID, net.Conn)
}

func newLoopback(b *testing.B, id ident.NodeID) *loopback {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	n := &loopback{id: id, listener: l, addrs: map[ident.NodeID]string{}, handlers: map[string]func(ident.NodeID, net.Conn){}}
	n.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.wg.Go(func() { n.accept(c) })
		}
	})
	b.Cleanup(func() {
		_ = l.Close()
		n.wg.Wait()
	})
	return n
}

func (n *loopback) accept(c net.Conn) {
	defer c.Close()
	var id ident.NodeID
	var protocol [64]byte
	if _, err := io.ReadFull(c, id[:]); err != nil {
		return
	}
	if _, err := io.ReadFull(c, protocol[:]); err != nil {
		return
	}
	n.mu.Lock()
	serve := n.handlers[string(bytes.TrimRight(protocol[:], "\x00"))]
	n.mu.Unlock()
	if serve != nil {
		serve(id, c)
	}
}

func (n *loopback) Open(_ context.Context, to ident.NodeID, protocol string) (net.Conn, error) {
	n.mu.Lock()
	addr := n.addrs[to]
	n.mu.Unlock()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 64)
	copy(head, protocol)
	_, err = c.Write(append(n.id[:], head...))
	return c, err
}

func (n *loopback) Handle(protocol string, serve func(ident.NodeID, net.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handlers[protocol] = serve
}

// plainly copies a file over the network into a file, and returns how long that took.
func plainly(b *testing.B, from, to *loopback, name, dir string) time.Duration {
	from.Handle("/plain", func(_ ident.NodeID, c net.Conn) {
		f, err := os.Open(name)
		if err != nil {
			b.Error(err)
			return
		}
		defer f.Close()
		// Neither end may let the kernel copy by itself.
		_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{f}, make([]byte, 256<<10))
	})
	began := time.Now()
	c, err := to.Open(context.Background(), from.id, "/plain")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	out, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{out}, bufio.NewReaderSize(struct{ io.Reader }{c}, 256<<10), make([]byte, 256<<10))
	if err != nil || n != benchSize {
		b.Fatalf("%d bytes, %v", n, err)
	}
	if err := out.Sync(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// benchNode is a swarm over loopback with its store on disk.
func benchNode(b *testing.B, id ident.NodeID) (*loopback, *Swarm, *store.Store, *osdisk.FS) {
	fs, err := osdisk.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(fs, "store")
	if err != nil {
		b.Fatal(err)
	}
	net := newLoopback(b, id)
	swarm := NewSwarm(Config{Network: net, Store: s, Self: id, Site: "a"})
	b.Cleanup(func() {
		swarm.Close()
		_ = s.Close()
		_ = fs.Close()
	})
	return net, swarm, s, fs
}

// BenchmarkFetch gets a blob of 200 MiB from one node to another, disk to disk, over TCP on this
// machine; beside it, the same bytes are copied plainly from file to file.
func BenchmarkFetch(b *testing.B) {
	from, seed, stock, fromFS := benchNode(b, ident.NodeID{1})
	o, err := stock.Add(context.Background(), bytes.NewReader(content(1, benchSize)))
	if err != nil {
		b.Fatal(err)
	}
	name := fromFS.Path("store/blobs/sha256/" + o.Digest.String())
	var plain, fetched time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		b.StopTimer()
		id := ident.NodeID{2, byte(rounds)}
		to, swarm, _, fs := benchNode(b, id)
		to.addrs[from.id], from.addrs[id] = from.listener.Addr().String(), to.listener.Addr().String()
		plain += plainly(b, from, to, name, fs.Path("."))
		b.StartTimer()
		began := time.Now()
		seed.PeerUp(id, "a")
		swarm.PeerUp(from.id, "a")
		if err := swarm.Fetch(context.Background(), o.Want); err != nil {
			b.Fatal(err)
		}
		fetched += time.Since(began)
		b.StopTimer()
		swarm.Close()
		seed.PeerDown(id)
		if err := fs.RemoveAll("store"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	mbs := func(d time.Duration) float64 { return float64(rounds) * benchSize / 1e6 / d.Seconds() }
	b.ReportMetric(mbs(fetched), "MB/s")
	b.ReportMetric(mbs(plain), "plain-MB/s")
	b.ReportMetric(mbs(fetched)/mbs(plain), "of-plain")
}
