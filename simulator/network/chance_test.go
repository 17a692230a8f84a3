package network

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestJitterIsUniformAndKeepsTheOrder(t *testing.T) {
	b := newBench(Link{Latency: 10 * ms, Jitter: 20 * ms})
	const packets = 20_000
	sum := time.Duration(0)
	for i := range time.Duration(packets) {
		b.offer(i*time.Second, 100) // far apart, so that none holds up another
		sum += b.exits[i].at - i*time.Second
	}
	if mean := sum / packets; mean < 1995*10*time.Microsecond || mean > 2005*10*time.Microsecond {
		t.Errorf("the mean delay is %v, want 20ms", mean)
	}
	b = newBench(Link{Latency: 10 * ms, Jitter: 20 * ms})
	for i := range time.Duration(1000) {
		b.offer(i*ms, 100)
	}
	if !slices.IsSorted(b.arrivals()) {
		t.Error("jitter has changed the order")
	}
}

func TestReorderIsBySoMuch(t *testing.T) {
	b := newBench(Link{Latency: 10 * ms, Reorder: 0.25, ReorderBy: 3 * ms})
	late := 0
	for i := range time.Duration(10_000) {
		b.offer(i*ms, 100)
		switch b.exits[i].at - i*ms {
		case 13 * ms:
			late++
		case 10 * ms:
		default:
			t.Fatalf("packet %d took %v", i, b.exits[i].at-i*ms)
		}
	}
	within(t, "late", late, 10_000, 0.25)
}

// within checks a count of n draws against four standard deviations around the mean.
func within(t *testing.T, what string, got, n int, p float64) {
	t.Helper()
	mean, dev := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(got)-mean) > 4*dev {
		t.Errorf("%s: %d of %d, want %.0f +- %.0f", what, got, n, mean, 4*dev)
	}
}

func TestLossAndDuplicatesAreBinomial(t *testing.T) {
	for _, p := range []float64{0, 0.001, 0.02, 0.5, 1} {
		const packets = 50_000
		b := newBench(Link{Loss: p})
		for range packets {
			b.offer(0, 100)
		}
		within(t, "lost", int(b.tally.Dropped[Lost]), packets, p)
		b = newBench(Link{Duplicate: p})
		for range packets {
			b.offer(0, 100)
		}
		within(t, "twice", int(b.tally.Duplicated), packets, p)
	}
}

func TestBurstsAreAsTheTheorySays(t *testing.T) {
	for _, m := range []Burst{{P: 0.01, R: 0.2, Bad: 1}, {P: 0.05, R: 0.5, Bad: 1}, {P: 0.02, R: 0.1, Good: 0.001, Bad: 0.6}} {
		const packets = 400_000
		b := newBench(Link{Burst: m})
		for range packets {
			b.offer(0, 100)
		}
		lost, bursts, before := 0, 0, false
		for _, x := range b.exits {
			if x.cause != 0 {
				lost++
				if !before {
					bursts++
				}
			}
			before = x.cause != 0
		}
		want := (m.R*m.Good + m.P*m.Bad) / (m.P + m.R)
		if got := float64(lost) / packets; math.Abs(got/want-1) > 0.05 {
			t.Errorf("%+v: lost %.4f, want %.4f", m, got, want)
		}
		if m.Bad < 1 {
			continue // then losses of one stay are not next to each other
		}
		if got, want := float64(lost)/float64(bursts), 1/m.R; math.Abs(got/want-1) > 0.05 {
			t.Errorf("%+v: bursts of %.2f, want %.2f", m, got, want)
		}
	}
}
