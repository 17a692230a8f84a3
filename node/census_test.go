package node

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestClockOf1970Restarts: a machine without a clock that comes up again does not take for alive what it remembers from days that are, by its
// clock, yet to come.
func TestClockOf1970Restarts(t *testing.T) {
	t.Parallel()
	f := found(t)
	b1 := f.join("b", "b1")
	eventually(t, "the founder hears b1", func() bool {
		for _, n := range f.founder.Nodes() {
			if n.Name == "b1" && n.Reachable {
				return len(f.founder.ledger.Reports()) == 2
			}
		}
		return false
	})
	b1.stop()
	f.founder.stop()
	var up atomic.Int64 // minutes
	begun := time.Now()
	f.founder.now = func() time.Time {
		return time.Unix(0, 0).Add(time.Since(begun) + time.Duration(up.Load())*time.Minute)
	}
	f.founder.start()
	up.Store(2)
	for _, n := range f.founder.Nodes() {
		if n.Name == "b1" && n.Reachable {
			t.Errorf("two minutes later: %+v", n)
		}
	}
	for _, s := range f.founder.Sites() {
		if s.Site == "b" && s.Reachable > 0 {
			t.Errorf("two minutes later: %+v", s)
		}
	}
}

func TestHeardAt(t *testing.T) {
	n := &Node{upSince: noon}
	now := noon.Add(time.Hour)
	for received, want := range map[time.Time]time.Time{
		noon.Add(-time.Hour): noon.Add(-time.Hour), noon.Add(time.Minute): noon.Add(time.Minute), now: now, now.Add(time.Second): noon,
	} {
		if got := n.heardAt(received, now); !got.Equal(want) {
			t.Errorf("%v: %v, want %v", received, got, want)
		}
	}
	if back := noon.Add(-time.Minute); !n.heardAt(noon, back).Equal(back) {
		t.Error("a clock that was put back")
	}
}
