package deploy

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"selvage/ledger/manifest"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// later is a version that may be begun in the window alone.
func later(name, window string) *Version {
	v := version(runtime.TypeProcess, name)
	v.Spec.Windows = []string{window}
	return v
}

// Bubbles begin at midnight.
const tenToEleven = "0 10 * * * 1h"

func TestFetchedAheadBegunInItsWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		midnight := time.Now()
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.shelf.takes(time.Hour)
		v2 := later("2", tenToEleven)
		b.want(v2)
		opens := midnight.Add(10 * time.Hour)
		if s := b.after(time.Minute); s.Phase != rollout.Fetching || !s.Opens.Equal(opens) || !strings.Contains(s.Why, "opens at 2000-01-01T10:00:00Z") {
			t.Errorf("on its way: %+v", s)
		}
		s := b.after(time.Until(opens) - time.Millisecond)
		if s.Phase != rollout.Scheduled || !s.Opens.Equal(opens) || s.Release != "till@1" || !s.Ready || b.plain.started("till@2") != 0 {
			t.Errorf("just before: %+v", s)
		}
		if s = b.after(time.Second); s.Phase != rollout.Starting || s.Release != "till@2" || !s.Opens.IsZero() {
			t.Errorf("when it opens: %+v", s)
		}
		if s = b.after(24 * time.Hour); s.Phase != rollout.Ready || s.Version != v2.ID {
			t.Errorf("a day later: %+v", s)
		}
		if a := b.shelf.haste; !slices.Equal(a, []Haste{{}, {Ahead: true}}) {
			t.Errorf("what was fetched ahead: %v", a)
		}
	})
}

// An urgent version is so ahead of its time too; and one that is declared anew, as urgent or not any more, is fetched as that.
func TestUrgent(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.shelf.takes(time.Hour)
		v := later("2", tenToEleven)
		for _, priority := range []string{manifest.PriorityUrgent, manifest.PriorityNormal, "", manifest.PriorityUrgent} {
			again := *v
			again.Spec.Priority = priority
			b.want(&again)
			b.after(time.Minute)
		}
		if a := b.shelf.haste; !slices.Equal(a, []Haste{{true, true}, {true, false}, {true, true}}) {
			t.Errorf("it was fetched as %v", a)
		}
	})
}

// What did not come in time waits for the next window, and when one opens it is not fetched ahead any more.
func TestLateForItsWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		midnight := time.Now()
		b.shelf.takes(20 * time.Hour)
		b.want(later("2", tenToEleven))
		if s := b.after(time.Until(midnight.Add(10*time.Hour + time.Minute))); s.Phase != rollout.Fetching || !s.Opens.IsZero() {
			t.Errorf("in the window: %+v", s)
		}
		if s := b.after(time.Hour); s.Phase != rollout.Fetching || !s.Opens.Equal(midnight.Add(34*time.Hour)) {
			t.Errorf("after it: %+v", s)
		}
		if s := b.after(time.Until(midnight.Add(34 * time.Hour))); s.Phase != rollout.Starting {
			t.Errorf("in the next: %+v", s)
		}
		if a := b.shelf.haste; !slices.Equal(a, []Haste{{Ahead: true}, {}, {Ahead: true}}) {
			t.Errorf("what was fetched ahead: %v", a)
		}
	})
}

// What has begun in its window is finished after it, over a restart too.
func TestBegunIsFinished(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		v := later("2", "0 10 * * * 1m")
		v.Spec.Health = manifest.Health{MinHealthyTime: manifest.Duration(5 * time.Minute), Deadline: manifest.Duration(time.Hour)}
		b.want(v)
		if s := b.after(10*time.Hour + 50*time.Second - 10*time.Second); s.Phase != rollout.Starting || s.Release != "till@2" {
			t.Fatalf("in its window: %+v", s)
		}
		b.after(2 * time.Minute)
		b.restart(t)
		b.want(v)
		if s := b.after(10 * time.Minute); s.Phase != rollout.Ready || s.Release != "till@2" {
			t.Errorf("after a restart, after its window: %+v", s)
		}
	})
}

// A clock that is behind what operators have signed says nothing of windows; that a time has passed which they signed, it does.
func TestClockIsWrong(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var sure atomic.Bool
		inWindow := time.Date(2026, 11, 27, 10, 30, 0, 0, time.UTC)
		b.Close(t.Context())
		b.now = func() (time.Time, bool) { return inWindow, sure.Load() }
		b.begin()
		b.want(later("2", tenToEleven))
		if s := b.after(time.Hour); s.Phase != rollout.Scheduled || !s.Opens.IsZero() || !strings.Contains(s.Why, "clock") {
			t.Errorf("a machine that does not know the time: %+v", s)
		}
		sure.Store(true)
		if s := b.after(lookAgain); s.Release != "till@2" {
			t.Errorf("its clock was put right: %+v", s)
		}
		sure.Store(false)
		v := version(runtime.TypeProcess, "3")
		v.Spec.NotBefore = manifest.Time{Time: inWindow.Add(-time.Minute)}
		b.want(v)
		if s := b.after(2 * time.Second); s.Target != "till@3" || s.Phase != rollout.Starting {
			t.Errorf("not before a time that has passed: %+v", s)
		}
		v = version(runtime.TypeProcess, "4")
		v.Spec.NotBefore = manifest.Time{Time: inWindow.Add(time.Minute)}
		b.want(v)
		if s := b.after(time.Hour); s.Phase != rollout.Scheduled || s.Release != "till@3" {
			t.Errorf("not before a time that may not have come: %+v", s)
		}
	})
}

// Who stood by when the window was open takes a singleton over at any time.
func TestSingletonIsTakenOverAfterItsWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v := later("2", tenToEleven)
		v.Spec.Singleton = true
		b.want(v)
		if s := b.after(time.Hour); s.Phase != rollout.Scheduled {
			t.Errorf("before its window: %+v", s)
		}
		if s := b.after(10 * time.Hour); s.Phase != rollout.Standby {
			t.Errorf("after its window: %+v", s)
		}
		b.restart(t)
		b.want(v)
		b.after(time.Hour)
		b.lead.Renew(time.Hour)
		if s := b.after(10 * time.Second); s.Release != "till@2" {
			t.Errorf("it leads: %+v", s)
		}
	})
}
