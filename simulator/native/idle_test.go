package native

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/worked"
	"selvage/simulator/scenario"
)

// fleet is a scenario of sites with equally many nodes and uplinks that are wide enough to do nothing but wait.
func fleet(t testing.TB, sites, nodes int) scenario.Scenario {
	t.Helper()
	var list []string
	for i := range sites {
		list = append(list, fmt.Sprintf("{name: s%d, nodes: %d, uplink: {up: 8mbit, down: 8mbit, latency: 20ms}}", i, nodes))
	}
	return parse(t, "duration: 1h\nsites: ["+strings.Join(list, ", ")+"]\n")
}

// wall is the time of the machine, which a bubble does not move.
func wall() time.Duration {
	var tv syscall.Timeval
	_ = syscall.Gettimeofday(&tv) // it fails on a bad pointer only
	return time.Duration(tv.Nano())
}

// idleFigures are what a fleet costs that does nothing.
type idleFigures struct {
	up, down, worst float64 // kbit/s of a site's uplink: the means, and the most of any site in either direction
	speed           float64 // virtual seconds in a second
	yield           float64 // virtual seconds in a second of one processor
	packets         float64 // a virtual second, of all nodes
}

// idle lets a fleet come together for settle, and then measures it for as long as span.
func idle(t testing.TB, sites, nodes int, settle, span time.Duration) (f idleFigures) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	live(t, fleet(t, sites, nodes), func(w *world) {
		time.Sleep(settle)
		if !w.allKnown() {
			t.Errorf("after %v not everybody knows everybody", settle)
		}
		f = w.measureIdle(span)
	})
	return f
}

// live has a fleet founded in a bubble, and what happens to it told by do rather than by a scenario.
func live(t testing.TB, s scenario.Scenario, do func(w *world)) {
	t.Helper()
	s = s.Expand()
	synctest.Test(new(testing.T), func(*testing.T) {
		w, err := newWorld(s)
		if err == nil {
			err = w.Found()
		}
		if err != nil {
			t.Error(err)
			return
		}
		do(w)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(linger)
	})
}

// allKnown reports whether everybody knows everybody.
func (w *world) allKnown() bool {
	return !slices.ContainsFunc(w.machines, func(m *machine) bool { return len(m.node().Nodes()) != len(w.machines) })
}

func (w *world) measureIdle(span time.Duration) (f idleFigures) {
	type bytes struct{ up, down int64 }
	before := map[string]bytes{}
	var packets int64
	for _, s := range w.net.Sites() {
		c := s.Counters()
		before[s.Name()] = bytes{c.Up.Bytes, c.Down.Bytes}
		packets -= c.LAN.Packets
	}
	begin, spent := wall(), worked.Time()
	time.Sleep(span)
	f.speed = span.Seconds() / (wall() - begin).Seconds()
	f.yield = span.Seconds() / (worked.Time() - spent).Seconds()
	for _, s := range w.net.Sites() {
		c, b := s.Counters(), before[s.Name()]
		up, down := kbits(c.Up.Bytes-b.up, span), kbits(c.Down.Bytes-b.down, span)
		f.up += up / float64(len(before))
		f.down += down / float64(len(before))
		f.worst = max(f.worst, up, down)
		packets += c.LAN.Packets
	}
	f.packets = float64(packets) / span.Seconds()
	return f
}

func kbits(bytes int64, span time.Duration) float64 {
	return float64(bytes) * 8 / 1000 / span.Seconds()
}

// BenchmarkIdleFleet measures what fleets of several shapes cost while nothing happens.
func BenchmarkIdleFleet(b *testing.B) {
	for _, shape := range [][2]int{{2, 3}, {4, 3}, {20, 5}, {100, 2}} {
		b.Run(fmt.Sprintf("%dx%d", shape[0], shape[1]), func(b *testing.B) {
			for b.Loop() {
				f := idle(b, shape[0], shape[1], 6*time.Minute, 10*time.Minute)
				b.ReportMetric(f.up, "kbit/s-up")
				b.ReportMetric(f.down, "kbit/s-down")
				b.ReportMetric(f.worst, "kbit/s-worst")
				b.ReportMetric(f.speed, "virtual-s/s")
				b.ReportMetric(f.yield, "virtual-s/cpu-s")
				b.ReportMetric(f.packets, "packets/s")
			}
		})
	}
}
