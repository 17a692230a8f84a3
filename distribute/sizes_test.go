package distribute

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
)

// BenchmarkSizes tells what an update costs by chunks of several sizes, over an uplink and without a patch: from the file
// SELVAGE_OLD to SELVAGE_NEW. The store's sizes are 8, 32 and 128 KiB.
func BenchmarkSizes(b *testing.B) {
	old, fresh := fileIn(b, "SELVAGE_OLD"), fileIn(b, "SELVAGE_NEW")
	for _, kib := range [][3]int{{1, 4, 16}, {2, 8, 32}, {4, 16, 64}, {8, 32, 128}, {16, 64, 128}} {
		b.Run(fmt.Sprintf("KiB=%d-%d-%d", kib[0], kib[1], kib[2]), func(b *testing.B) {
			opts := &chunkers.ChunkerOpts{MinSize: kib[0] << 10, NormalSize: kib[1] << 10, MaxSize: kib[2] << 10}
			for b.Loop() {
				known := map[[32]byte]bool{}
				pieces(b, old, opts, func(chunk []byte) { known[sha256.Sum256(chunk)] = true })
				all, lacking, raw := 0, 0, 0
				var sent int
				k := packing{packers: newPackers()}
				pieces(b, fresh, opts, func(chunk []byte) {
					sum := sha256.Sum256(chunk)
					if all++; known[sum] {
						return
					}
					known[sum] = true
					lacking++
					raw += len(chunk)
					k.sent = k.sent[:0]
					if err := k.append(chunk); err != nil {
						b.Fatal(err)
					}
					sent += len(k.sent)
				})
				b.ReportMetric(float64(all), "chunks")
				b.ReportMetric(float64(lacking), "lacking")
				b.ReportMetric(float64(raw)/1e3, "kB-raw")
				b.ReportMetric(float64(sent)/1e3, "kB-packed")
			}
		})
	}
}

func fileIn(b *testing.B, env string) []byte {
	b.Helper()
	name := os.Getenv(env)
	if name == "" {
		b.Skip("set SELVAGE_OLD and SELVAGE_NEW to two files")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

// pieces calls f with each chunk of data.
func pieces(b *testing.B, data []byte, opts *chunkers.ChunkerOpts, f func(chunk []byte)) {
	b.Helper()
	cdc, err := chunkers.NewChunker("fastcdc-v1.0.0", bytes.NewReader(data), opts)
	if err != nil {
		b.Fatal(err)
	}
	for {
		chunk, err := cdc.Next()
		if len(chunk) > 0 {
			f(chunk)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
