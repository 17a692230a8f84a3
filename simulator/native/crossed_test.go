package native

import (
	"testing"
	"time"
)

// TestCrossed: what crosses each link of a site is counted, packets and bytes.
func TestCrossed(t *testing.T) {
	live(t, fleet(t, 2, 2), func(w *world) {
		before := w.Crossed("s1")
		time.Sleep(time.Minute)
		after := w.Crossed("s1")
		for i := range after {
			if after[i] <= before[i] {
				t.Errorf("count %d was %d and is %d", i, before[i], after[i])
			}
		}
		if down, up := w.Traffic("s1"); after[1] != down || after[3] != up {
			t.Errorf("crossed %v, and the traffic is %d and %d", after, down, up)
		}
	})
}
