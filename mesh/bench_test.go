package mesh

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/mesh/meshtest"
)

const benchBytes = 200_000_000

// BenchmarkStream moves 200 MB between two nodes of one site over the loopback interface, and as
// much over a bare stream of libp2p's QUIC, in turn. mesh/raw is what the mesh leaves of it. All
// figures are of the fastest of each, since other work on the machine only makes them slower.
func BenchmarkStream(b *testing.B) {
	chunk := make([]byte, 256<<10)
	_, _ = rand.Read(chunk)
	a, n := start(b, testConfig("a", "s1")), start(b, testConfig("b", "s1"))
	n.Handle("/test/source", func(_ ident.NodeID, c net.Conn) {
		defer c.Close()
		give(c, chunk)
	})
	meet(b, a, n)
	bare := meshtest.Stream(b, benchBytes)
	mesh, raw := time.Hour, time.Hour
	b.SetBytes(2 * benchBytes)
	for b.Loop() {
		raw = min(raw, bare(io.Discard))
		mesh = min(mesh, timed(b, func() (io.ReadCloser, error) { return a.Open(context.Background(), n.self, "/test/source") }))
	}
	const total = float64(benchBytes) / 1e6
	b.ReportMetric(total/mesh.Seconds(), "mesh-MB/s")
	b.ReportMetric(total/raw.Seconds(), "raw-MB/s")
	b.ReportMetric(raw.Seconds()/mesh.Seconds(), "mesh/raw")
}

func give(w io.Writer, chunk []byte) {
	for left := benchBytes; left > 0; left -= len(chunk) {
		if _, err := w.Write(chunk[:min(left, len(chunk))]); err != nil {
			return
		}
	}
}

// timed reads a stream to its end.
func timed(b *testing.B, open func() (io.ReadCloser, error)) time.Duration {
	b.Helper()
	begin := time.Now()
	s, err := open()
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if n, err := io.Copy(io.Discard, s); n != benchBytes || err != nil {
		b.Fatalf("%d bytes: %v", n, err)
	}
	return time.Since(begin)
}

// BenchmarkIdlePeers reports what a node costs that is connected with ten others and does nothing.
// The others live in the same process, so the figures are of one of eleven.
func BenchmarkIdlePeers(b *testing.B) {
	const peers = 10
	before := heap()
	var all []*testNode
	for range peers + 1 {
		n := start(b, testConfig(rand.Text(), "s1"))
		if len(all) > 0 {
			n.Learn(all[0].Addrs()...)
		}
		all = append(all, n)
	}
	eventually(b, "everyone knows everyone", func() bool { return meshed(all) })
	for b.Loop() {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(heap()-before)/(peers+1)/1e6, "heap-MB/node")
}

// heap returns the bytes that are in use after garbage was collected.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
