package node

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/osdisk"
	"selvage/internal/worked"
	"selvage/mesh/meshtest"
)

// blobBytes is the size of the blob that is moved; it does not compress and shares nothing.
const blobBytes = 200_000_000

// BenchmarkBlob moves blobs between two nodes of a site on loopback, from disk to disk, each chunk
// and the whole checked, and as many bytes over a bare libp2p stream in the same run. All four ends are
// in this process. cpu is processor time, which tells more than the clock where other work is done on the machine.
func BenchmarkBlob(b *testing.B) {
	f := foundOn(b, func() disk.FS { return newDisk(b) })
	m := f.join("a", "a2")
	eventually(b, "they know each other", func() bool { return len(m.Status().Peers) == 1 && len(f.founder.Status().Peers) == 1 })
	raw := meshtest.Stream(b, blobBytes)
	var blobs, streams, blobsCPU, streamsCPU time.Duration
	var seed [32]byte
	b.SetBytes(2 * blobBytes)
	for b.Loop() {
		b.StopTimer()
		seed[0]++
		o, err := f.founder.store.Add(b.Context(), io.LimitReader(rand.NewChaCha8(seed), blobBytes))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		spent := worked.Time()
		streams += raw(io.Discard)
		streamsCPU += worked.Time() - spent
		spent = worked.Time()
		begin := time.Now()
		if err := m.swarm.Fetch(b.Context(), o.Want); err != nil {
			b.Fatal(err)
		}
		blobs += time.Since(begin)
		blobsCPU += worked.Time() - spent
	}
	total := float64(blobBytes) * float64(b.N) / 1e6
	b.ReportMetric(total/blobs.Seconds(), "blob-MB/s")
	b.ReportMetric(total/streams.Seconds(), "raw-MB/s")
	b.ReportMetric(streams.Seconds()/blobs.Seconds(), "blob/raw")
	b.ReportMetric(blobsCPU.Seconds()*1e3/total, "blob-cpu-ns/B")
	b.ReportMetric(streamsCPU.Seconds()*1e3/total, "raw-cpu-ns/B")
	b.ReportMetric(streamsCPU.Seconds()/blobsCPU.Seconds(), "cpu-blob/raw")
}

func newDisk(b *testing.B) *osdisk.FS {
	f, err := osdisk.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return f
}
