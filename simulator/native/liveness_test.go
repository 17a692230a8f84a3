package native

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"selvage/node/api"
)

// TestIdleBudget: fleets that do nothing stay within what DESIGN lets an uplink carry, 4 kbit/s.
func TestIdleBudget(t *testing.T) {
	for _, shape := range [][2]int{{2, 3}, {4, 3}, {8, 4}} {
		f := idle(t, shape[0], shape[1], 5*time.Minute, 10*time.Minute)
		t.Logf("%d sites of %d: %.2f kbit/s up, %.2f down, %.2f at worst; %.0f virtual s/s", shape[0], shape[1], f.up, f.down, f.worst, f.speed)
		if f.up > 3.5 || f.down > 3.5 || f.worst > 5 {
			t.Errorf("%d sites of %d: %.2f kbit/s up, %.2f down, %.2f at worst", shape[0], shape[1], f.up, f.down, f.worst)
		}
	}
}

// liveness is a fleet of three sites of three, that runs nothing, in which a story about who is alive
// is told.
func liveness(t *testing.T, tell func(w *world)) {
	t.Helper()
	live(t, fleet(t, 3, 3), func(w *world) {
		if took := w.until(time.Minute, func() bool { return w.shownAs(nil) == "" }); took < 0 {
			t.Error("after a minute: ", w.shownAs(nil))
		}
		time.Sleep(time.Minute)
		tell(w)
	})
}

// until waits for something, and returns how long it took; -1 if longer than most.
func (w *world) until(most time.Duration, ok func() bool) time.Duration {
	for begin := time.Now(); time.Since(begin) <= most; time.Sleep(100 * time.Millisecond) {
		if ok() {
			return time.Since(begin)
		}
	}
	return -1
}

// shownAs says which node that is up does not show exactly those of the given places as unreachable; ""
// if all do. Nodes of those places are not asked.
func (w *world) shownAs(unreachable []string) string {
	for _, m := range w.machines {
		n := m.node()
		if n == nil || slices.Contains(unreachable, m.site) || slices.Contains(unreachable, m.String()) {
			continue
		}
		for _, o := range n.Nodes() {
			i := slices.IndexFunc(w.machines, func(m *machine) bool { return m.id == o.Node })
			gone := slices.Contains(unreachable, o.Site) || slices.Contains(unreachable, w.machines[i].String())
			if o.Reachable == gone {
				return fmt.Sprintf("%s shows %s as reachable: %v", m, o.Name, o.Reachable)
			}
		}
	}
	return ""
}

// What ARCHITECTURE says of how soon it is seen everywhere who is gone.
const (
	nodeGone = 30 * time.Second
	siteGone = 31 * time.Second // in a fleet of up to three sites
	back     = 15 * time.Second
)

// TestDeadNodeIsUnreachable: whichever node of a site dies, also the one that publishes its beacon,
// all other sites see it in time, and that it is back.
func TestDeadNodeIsUnreachable(t *testing.T) {
	liveness(t, func(w *world) {
		for _, name := range []string{"s1/n0", "s1/n1", "s1/n2"} {
			end := w.crash(name, false)
			if took := w.until(nodeGone, func() bool { return w.shownAs([]string{name}) == "" }); took < 0 {
				t.Errorf("%v after %s died: %s", nodeGone, name, w.shownAs([]string{name}))
			} else {
				t.Logf("%s is seen to be dead after %v", name, took)
			}
			time.Sleep(2 * time.Minute)
			if wrong := w.shownAs([]string{name}); wrong != "" {
				t.Errorf("two minutes after %s died: %s", name, wrong)
			}
			if err := end(); err != nil {
				t.Error(err)
			}
			if took := w.until(back, func() bool { return w.shownAs(nil) == "" }); took < 0 {
				t.Errorf("%v after %s was back: %s", back, name, w.shownAs(nil))
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestCutOffSiteIsUnreachable: a site that is cut off, or holds its uplink, is seen to be, and inside
// it goes on as before.
func TestCutOffSiteIsUnreachable(t *testing.T) {
	liveness(t, func(w *world) {
		end := w.partition([][]string{{"s1"}, {"s0", "s2"}})
		inside := func() bool {
			return !slices.ContainsFunc(w.byName["s1/n0"].node().Nodes(), func(o api.Node) bool { return o.Reachable != (o.Site == "s1") })
		}
		if took := w.until(siteGone, func() bool { return w.shownAs([]string{"s1"}) == "" && inside() }); took < 0 {
			t.Errorf("%v after s1 was cut off: %s; right from inside: %v", siteGone, w.shownAs([]string{"s1"}), inside())
		} else {
			t.Logf("s1 is seen to be cut off after %v", took)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		if took := w.until(time.Minute, func() bool { return w.shownAs(nil) == "" }); took < 0 {
			t.Errorf("a minute after it: %s", w.shownAs(nil))
		}
	})
	liveness(t, func(w *world) {
		for _, held := range []bool{true, false} {
			var gone []string
			if held {
				gone = []string{"s1"}
			}
			for _, m := range w.placed("s1") {
				if _, err := m.node().SetUplink(context.Background(), api.UplinkChange{Held: &held}); err != nil {
					t.Error(err)
				}
			}
			if took := w.until(45*time.Second, func() bool { return w.shownAs(gone) == "" }); took < 0 {
				t.Errorf("held %v: %s", held, w.shownAs(gone))
			} else {
				t.Logf("held %v: seen after %v", held, took)
			}
		}
	})
}

// TestSiteFallsApart: a site whose LAN is cut in two, while both parts have their uplinks, is reachable.
func TestSiteFallsApart(t *testing.T) {
	liveness(t, func(w *world) {
		end := w.partition([][]string{{"s1/n0"}, {"s1/n1", "s1/n2"}})
		time.Sleep(time.Minute)
		for range 60 {
			for _, o := range w.byName["s0/n0"].node().Nodes() {
				if !o.Reachable {
					t.Errorf("%s is unreachable", o.Name)
				}
			}
			time.Sleep(time.Second)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
