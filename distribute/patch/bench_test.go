package patch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPatch makes and applies a patch between two files, SELVAGE_OLD and SELVAGE_NEW, and lets
// bsdiff, xdelta3 and zstd do the same: 'make bench-patch' does so with real ones.
func BenchmarkPatch(b *testing.B) {
	n := measure(b, Make)
	best := rivals(b, os.Getenv("SELVAGE_OLD"), os.Getenv("SELVAGE_NEW"))
	b.ReportMetric(float64(best), "best-rival-bytes")
	b.ReportMetric(float64(n)/float64(best), "bytes/best-rival")
}

// BenchmarkReferences does it by references, as with files that differ in more than steps can tell in time.
func BenchmarkReferences(b *testing.B) {
	measure(b, func(ctx context.Context, old, new File, w io.Writer) error {
		return makeScaled(ctx, old, new, w, stepScale, referScale, -1)
	})
}

// measure is how long the patch is that is made between the two files.
func measure(b *testing.B, way func(ctx context.Context, old, new File, w io.Writer) error) int {
	old, new := os.Getenv("SELVAGE_OLD"), os.Getenv("SELVAGE_NEW")
	if old == "" || new == "" {
		b.Skip("SELVAGE_OLD and SELVAGE_NEW name no files")
	}
	o, n := open(b, old), open(b, new)
	want := resultOf(b, n)
	var patch bytes.Buffer
	for b.Loop() {
		patch.Reset()
		begin := time.Now()
		b.ReportMetric(peak(func() {
			if err := way(context.Background(), o, n, &patch); err != nil {
				b.Fatal(err)
			}
		}), "make-MB")
		b.ReportMetric(time.Since(begin).Seconds(), "make-s")
		begin = time.Now()
		b.ReportMetric(peak(func() {
			if err := Apply(context.Background(), o, bytes.NewReader(patch.Bytes()), io.Discard, want); err != nil {
				b.Fatal(err)
			}
		}), "apply-MB")
		b.ReportMetric(time.Since(begin).Seconds(), "apply-s")
	}
	b.ReportMetric(float64(patch.Len()), "bytes")
	return patch.Len()
}

// open opens a file, which is read from the disk as a node does: in memory it would make room for garbage.
func open(b *testing.B, name string) File {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() }) // it was only read
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return File{f, info.Size()}
}

func resultOf(b *testing.B, f File) Result {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size)); err != nil {
		b.Fatal(err)
	}
	return Result{f.Size, [sha256.Size]byte(h.Sum(nil))}
}

// rivals is the length of the shortest patch that the others make. bsdiff takes minutes and 17 times
// the file in memory, so it is left out beyond 64 MiB.
func rivals(b *testing.B, old, new string) int64 {
	best := int64(1 << 62)
	for name, args := range map[string][]string{
		"bsdiff":  {"bsdiff", old, new, "OUT"},
		"xdelta3": {"xdelta3", "-9", "-B", "268435456", "-e", "-f", "-s", old, new, "OUT"},
		"zstd-3":  {"zstd", "-q", "-f", "-3", "--long=31", "--patch-from", old, new, "-o", "OUT"},
		"zstd-19": {"zstd", "-q", "-f", "-19", "--long=27", "--patch-from", old, new, "-o", "OUT"},
	} {
		if stat, err := os.Stat(old); err != nil || stat.Size() > 64<<20 && (name == "bsdiff" || name == "zstd-19") {
			continue
		}
		out := filepath.Join(b.TempDir(), name)
		for i, a := range args {
			if a == "OUT" {
				args[i] = out
			}
		}
		if msg, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", name, err, msg)
		}
		stat, err := os.Stat(out)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(stat.Size()), name+"-bytes")
		best = min(best, stat.Size())
	}
	return best
}

// peak is by how many MB the heap grew at most while f ran, garbage included, looked at each 10 ms.
func peak(f func()) float64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.HeapAlloc
	var most atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most.Store(max(most.Load(), now.HeapAlloc))
			}
		}
	}()
	f()
	close(stop)
	<-done
	return (float64(most.Load()) - float64(min(before, most.Load()))) / 1e6
}

// BenchmarkMake tells how time grows with what differs, for files of 16 MiB.
func BenchmarkMake(b *testing.B) {
	const size = 16 << 20
	old := text(1, size)
	for _, every := range []int{100, 10_000, size} {
		new := bytes.Clone(old)
		for i := 0; i < size; i += every {
			new[i]++
		}
		b.Run("each-"+strconv.Itoa(every), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				mustMake(b, old, new)
			}
		})
	}
}
