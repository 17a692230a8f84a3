package distribute

import (
	"testing"
	"time"
)

func TestOneToOne(t *testing.T) {
	for _, size := range []int{0, 1, 5000, 300_000, 5 << 20} {
		run(t, func(t *testing.T, w *world) {
			seed, n := w.node("a"), w.node("a")
			data := content(1, size)
			want := seed.add(data)
			w.mesh()
			if err := n.fetch(want, time.Minute); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			n.holds(want, data)
			if n.changed != 1 {
				t.Errorf("%d bytes: told of %d changes", size, n.changed)
			}
		})
	}
}

// Each piece crosses each site's uplink about once, whoever asks for it.
func TestSites(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("a", 2<<20, 20*time.Millisecond)
		w.net.uplink("b", 2<<20, 20*time.Millisecond)
		w.net.uplink("c", 2<<20, 20*time.Millisecond)
		seed := w.node("a")
		b, c := w.site("b", 4), w.site("c", 3)
		data := content(2, 24<<20)
		want := seed.add(data)
		w.mesh()
		took := w.fetchAll(append(b, c...), want, time.Hour)
		for _, n := range w.nodes {
			n.holds(want, data)
		}
		for _, s := range []string{"b", "c"} {
			if ratio := float64(w.net.down[s].crossed()) / float64(len(data)); ratio > 1.06 {
				t.Errorf("%.3f times the blob came to site %s", ratio, s)
			}
		}
		t.Logf("took %v; uplink b %.3f c %.3f; seed sent %.3f", took, float64(w.net.down["b"].crossed())/float64(len(data)),
			float64(w.net.down["c"].crossed())/float64(len(data)), float64(w.net.up["a"].crossed())/float64(len(data)))
	})
}
