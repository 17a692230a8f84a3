package native

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClockFaultsEndByThemselves: of two that overlap the first to end leaves the other's, and the last leaves a clock that is right.
func TestClockFaultsEndByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock{made: time.Now(), since: time.Now()}
		off := func(want time.Duration) {
			t.Helper()
			if got := time.Until(c.now()); got.Round(time.Microsecond) != want {
				t.Errorf("off by %s, want %s", got, want)
			}
		}
		long := c.set(time.Hour, 0.01)
		time.Sleep(100 * time.Second)
		short := c.set(-time.Minute, 0.02)
		off(time.Hour - time.Minute + time.Second)
		time.Sleep(100 * time.Second)
		off(time.Hour - time.Minute + 4*time.Second)
		short()
		off(time.Hour + 2*time.Second)
		time.Sleep(100 * time.Second)
		off(time.Hour + 3*time.Second)
		long()
		if got := time.Until(c.now()); got != 0 {
			t.Errorf("off by %s in the end", got)
		}
		if got := c.uptime(); got.Round(time.Microsecond) != 305*time.Second {
			t.Errorf("counted %s: what it gained stays", got)
		}
	})
}
