package native

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"selvage/node/api"
	"selvage/simulator/scenario"
)

// budgeted changes the uplink of all nodes of a site.
func (w *world) budgeted(t *testing.T, site string, change api.UplinkChange) {
	t.Helper()
	for _, m := range w.placed(site) {
		if _, err := m.node().SetUplink(context.Background(), change); err != nil {
			t.Error(err)
		}
	}
}

// release seeds random bytes at s0/n0 and has all nodes run them.
func (w *world) release(t *testing.T, version string, size int) {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{version[1]}).Read(content) // never fails
	if err := w.Seed(scenario.Seed{From: "s0/n0", Name: "app", Version: version}, content); err != nil {
		t.Error(err)
	}
	if err := w.Deploy(scenario.Deploy{From: "s0/n0", Name: "app", Release: "app@" + version}); err != nil {
		t.Error(err)
	}
}

// runs reports whether all nodes of a site run a version.
func (w *world) runs(site, version string) bool {
	for _, m := range w.placed(site) {
		d := m.node().Status().Deployments
		if len(d) != 1 || d[0].Release != "app@"+version || !d[0].Ready {
			return false
		}
	}
	return true
}

// overUplink is how many bytes of blobs the nodes of a site took from other sites.
func (w *world) overUplink(site string) (sum int64) {
	for _, m := range w.placed(site) {
		for _, b := range m.node().Blobs() {
			sum += b.FromUplinkBytes
		}
	}
	return sum
}

// told reports whether all nodes of a site know that a version is to run.
func (w *world) told(site, version string) bool {
	for _, m := range w.placed(site) {
		d := m.node().Deployments()
		if len(d) != 1 || d[0].Release != "app@"+version {
			return false
		}
	}
	return true
}

// used is the most that a node of a site used of the month, and all of them together.
func (w *world) used(site string) (most, sum int64) {
	for _, m := range w.placed(site) {
		u := m.node().Status().Uplink.MonthUsed
		most, sum = max(most, u), sum+u
	}
	return most, sum
}

// TestWindow: outside of a site's window what is to run is known and no byte of it comes; once the window opens all of it does, about once.
func TestWindow(t *testing.T) {
	const size = 4 << 20
	live(t, fleet(t, 2, 3), func(w *world) {
		if took := w.until(time.Minute, func() bool { return w.shownAs(nil) == "" }); took < 0 {
			t.Error("after a minute: ", w.shownAs(nil))
		}
		opens := w.byName["s1/n0"].node().Status().Time.UTC().Add(70 * time.Minute).Truncate(time.Minute)
		windows := []string{fmt.Sprintf("%d %d * * * 5m", opens.Minute(), opens.Hour())}
		w.budgeted(t, "s1", api.UplinkChange{Windows: &windows})
		time.Sleep(30 * time.Minute) // until the sites have found how they vote
		w.release(t, "v1", size)
		if took := w.until(10*time.Second, func() bool { return w.told("s1", "v1") }); took < 0 {
			t.Error("s1 is not told of the release outside of its window")
		}
		before, _ := w.Traffic("s1")
		time.Sleep(30 * time.Minute)
		after, _ := w.Traffic("s1")
		if came := w.overUplink("s1"); came > 0 || after-before > 350<<10 { // they talk, half an hour long
			t.Errorf("%d bytes of blobs came outside of the window, and %d in all", came, after-before)
		}
		if wrong := w.shownAs(nil); wrong != "" || w.runs("s1", "v1") {
			t.Errorf("outside of the window: %s; runs %v", wrong, w.runs("s1", "v1"))
		}
		u := w.byName["s1/n1"].node().Status().Uplink
		if u.BulkHeld != api.HeldByWindow || u.BulkUntil == nil || !u.BulkUntil.Equal(opens) {
			t.Errorf("it says %q until %v, and not %v", u.BulkHeld, u.BulkUntil, opens)
		}
		before, _ = w.Traffic("s1")
		if took := w.until(15*time.Minute, func() bool { return w.runs("s1", "v1") }); took < 0 {
			t.Error("it does not run after the window")
		} else {
			t.Logf("it runs %v after the window was opened", w.byName["s1/n0"].node().Status().Time.Sub(opens))
		}
		after, _ = w.Traffic("s1")
		if ratio := float64(after-before) / size; ratio > 1.12 {
			t.Errorf("%.3f times the release came", ratio)
		}
	})
}

// TestCap: when the month's cap is used up blobs wait, also after a restart, and nodes go on to hear of each other; with a higher cap they come.
func TestCap(t *testing.T) {
	const size, half = 6 << 20, 3 << 20
	live(t, fleet(t, 2, 2), func(w *world) {
		if took := w.until(time.Minute, func() bool { return w.shownAs(nil) == "" }); took < 0 {
			t.Error("after a minute: ", w.shownAs(nil))
		}
		most, _ := w.used("s1")
		limit, slow := 2*most+half, int64(100_000)
		w.budgeted(t, "s1", api.UplinkChange{MonthCap: &limit, DownLimit: &slow})
		w.release(t, "v1", size)
		held := func() bool {
			for _, m := range w.placed("s1") {
				if m.node().Status().Uplink.BulkHeld != api.HeldByCap {
					return false
				}
			}
			return true
		}
		if took := w.until(5*time.Minute, held); took < 0 {
			t.Errorf("the cap is not used up: %+v", w.byName["s1/n0"].node().Status().Uplink)
		}
		time.Sleep(20 * time.Minute)
		_, after := w.used("s1")
		// It is looked at every second; two seconds' worth was asked for before, by each of two nodes; and nodes talk.
		if over := after - limit; w.runs("s1", "v1") || over > (1+2*2)*slow+300<<10 {
			t.Errorf("%d bytes beyond the cap of %d; runs: %v", over, limit, w.runs("s1", "v1"))
		}
		if wrong := w.shownAs(nil); wrong != "" {
			t.Error("beyond the cap: ", wrong)
		}
		before := w.byName["s1/n1"].node().Status().Uplink.MonthUsed
		if err := w.crash("s1/n1", false)(); err != nil {
			t.Error(err)
		}
		again := w.byName["s1/n1"]
		if took := w.until(time.Minute, func() bool { return again.node() != nil && w.shownAs(nil) == "" }); took < 0 {
			t.Error("after a restart: ", w.shownAs(nil))
			return
		}
		if u := again.node().Status().Uplink; u.MonthUsed < before-1<<20 || u.BulkHeld != api.HeldByCap {
			t.Errorf("it forgets what it used, %d bytes, over a restart: %+v", before, u)
		}
		limit = 0
		w.budgeted(t, "s1", api.UplinkChange{MonthCap: &limit})
		if took := w.until(10*time.Minute, func() bool { return w.runs("s1", "v1") }); took < 0 {
			t.Error("it does not run without a cap")
		}
	})
}
