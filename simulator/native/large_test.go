package native

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"selvage/internal/worked"
	"selvage/simulator"
	"selvage/simulator/scenario"
)

// BenchmarkLargeFleet has a fleet of SELVAGE_SITES sites of 5 nodes start and join, and come to one view; then an
// entry spreads, and a release of 1 MB is deployed everywhere. 40 sites take half a minute and 3 GB of memory, 200 eight minutes and 17 GB.
func BenchmarkLargeFleet(b *testing.B) {
	sites, err := strconv.Atoi(os.Getenv("SELVAGE_SITES"))
	if err != nil {
		b.Skip("it takes minutes: set SELVAGE_SITES to a number")
	}
	for b.Loop() {
		largeFleet(b, sites, 5)
	}
}

func largeFleet(b *testing.B, sites, nodes int) {
	// A large fleet is to fit into 24 GB: garbage is looked for when it has grown by much, and where that would be too much.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(16 << 30))
	begin := wall()
	live(b, fleet(b, sites, nodes), func(w *world) {
		b.Logf("%4.0f s: started", (wall() - begin).Seconds())
		report := func(what, unit string, most, step time.Duration, ok func() bool) {
			from := time.Now()
			for time.Since(from) < most && !ok() {
				time.Sleep(step)
			}
			if !ok() {
				b.Errorf("%s: not in %v", what, most)
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			packets, bytes := w.crossed()
			b.Logf("%4.0f s, %d CPU-s, %d MiB, %d packets and %d MB over uplinks so far: %s after %v", (wall() - begin).Seconds(), worked.Time()/time.Second, m.Sys>>20,
				packets, bytes/1e6, what, time.Since(from))
			b.ReportMetric(time.Since(from).Seconds(), unit)
		}
		report("everybody knows everybody", "s-join", 10*time.Minute, 5*time.Second, w.all(func(m *machine) bool { return len(m.node().Nodes()) == len(w.machines) }))
		time.Sleep(time.Minute)
		if err := w.Seed(scenario.Seed{From: "s0/n0", Name: "app", Version: "v1"}, noise(1<<20)); err != nil {
			b.Error(err)
		}
		report("99% have the new entry", "s-entry", time.Minute, 50*time.Millisecond, func() bool {
			have := 0
			for _, m := range w.machines {
				if len(m.node().Releases()) == 1 {
					have++
				}
			}
			return have*100 >= len(w.machines)*99
		})
		if err := w.Deploy(scenario.Deploy{Name: "app", Release: "app@v1", From: "s0/n0"}); err != nil {
			b.Error(err)
		}
		report("all run the release", "s-release", 10*time.Minute, time.Second, w.all(func(m *machine) bool {
			d := m.node().Status().Deployments
			return len(d) == 1 && d[0].Release == "app@v1" && d[0].Ready
		}))
		b.ReportMetric((wall() - begin).Seconds(), "wall-s")
	})
}

// all returns what reports whether ok has held of every machine. It goes on from the first of which it did not: to ask all of them
// about all nodes takes longer than what they do meanwhile.
func (w *world) all(ok func(*machine) bool) func() bool {
	so := 0
	return func() bool {
		for so < len(w.machines) && ok(w.machines[so]) {
			so++
		}
		return so == len(w.machines)
	}
}

// crossed is what has gone up all uplinks, which tells of a fleet's work also where the machine is busy with other things.
func (w *world) crossed() (packets, bytes int64) {
	for _, s := range w.net.Sites() {
		c := s.Counters()
		packets += c.Up.Packets
		bytes += c.Up.Bytes
	}
	return packets, bytes
}

// noise is bytes that nothing makes smaller.
func noise(n int) []byte {
	out := make([]byte, n)
	_, _ = simulator.ChaCha(1, "noise").Read(out) // a generator never ends
	return out
}
