package planner

import (
	"testing"
	"time"
)

// One beyond the uplink that gives a little now and then, while another is quick, does not keep the end of the blob for long; nor is one left
// for another that is not much quicker.
func TestEndIsMovedFromDawdler(t *testing.T) {
	const rate, chunks = 2e6, 128
	for name, c := range map[string]struct {
		rate, then float64 // from the third second on
		left       bool
	}{
		"100 bytes/s":          {100, 100, true},
		"4 kB/s":               {4e3, 4e3, true},
		"as fast, then 4 kB/s": {rate, 4e3, true},
		"a fourth":             {rate / tailSooner, rate / tailSooner, false},
	} {
		t.Run(name, func(t *testing.T) {
			late := &giver{site: "far", rate: c.rate, delay: 50 * time.Millisecond}
			late.silent = func(at time.Duration) bool {
				if at >= 3*time.Second {
					late.rate = c.then
				}
				return false
			}
			good := &giver{site: "far", rate: rate, delay: 50 * time.Millisecond}
			ideal := time.Duration(float64(chunks*128<<10) / rate * float64(time.Second))
			if p := talk(t, chunks, ideal+tailLeast+5*time.Second, late, good); !p.Done() {
				t.Errorf("not done %v after %v", tailLeast+5*time.Second, ideal)
			}
			if left := len(late.canceled) > 0; left != c.left || len(good.canceled) > 0 {
				t.Errorf("left at %v, the other at %v", late.canceled, good.canceled)
			}
		})
	}
}
