package deploy

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"selvage/node/rollout"
	"selvage/node/runtime"
)

// wantGone fails unless nothing is left of app.
func wantGone(t *testing.T, b *bench, what string) {
	t.Helper()
	s := b.after(time.Hour)
	if s.Phase != "" || b.plain.runs(app) != "" || len(b.plain.removed) != 1 {
		t.Errorf("%s: %+v, %q runs, %v removed", what, s, b.plain.runs(app), b.plain.removed)
	}
	if _, err := b.fs.Stat(recordFile(app)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: its journal is still there: %v", what, err)
	}
}

func TestNoLongerMeant(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.Set([]Desired{{Name: app}})
		wantGone(t, b, "while it runs")
		b.want(version(runtime.TypeProcess, "1"))
		if s := b.after(10 * time.Second); s.Phase != rollout.Ready || !s.Ready {
			t.Errorf("meant again: %+v", s)
		}
	})
}

// TestNoLongerMeantWhileDown: the operator's word comes while the machine is off, or the agent goes before it has acted.
func TestNoLongerMeantWhileDown(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.restart(t)
		b.Set([]Desired{{Name: app}})
		wantGone(t, b, "after a restart")
		b.restart(t)
		b.Set([]Desired{{Name: app}})
		wantGone(t, b, "after another")
	})
}

// TestRemovalIsTakenUpAgain: what could not be removed is, later and over restarts, and until then it is remembered.
func TestRemovalIsTakenUpAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.want(version(runtime.TypeProcess, "1"))
		b.after(10 * time.Second)
		b.plain.keeps(1 << 30)
		b.Set([]Desired{{Name: app}})
		s := b.after(time.Minute)
		if s.Phase != rollout.Waiting || s.Release != "" || s.Why != "remove what ran here: directory not empty" || !journalled(b.fs, app) {
			t.Errorf("%+v; journalled: %v", s, journalled(b.fs, app))
		}
		b.restart(t)
		b.Set([]Desired{{Name: app}})
		b.after(time.Minute)
		b.plain.keeps(1)
		wantGone(t, b, "when it can be")
	})
}

// TestNothingIsRemovedAtFirst: a worker that is begun after a restart has nothing to do with its deployment but what is wanted then.
// It once ran, now and then, before it had been told, and removed what was there.
func TestNothingIsRemovedAtFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		v := version(runtime.TypeProcess, "1")
		b.want(v)
		b.after(10 * time.Second)
		b.restart(t)
		w := newWorker(b.cfg, b.tenure, Desired{Name: app, Selected: true, Target: v})
		w.load(t.Context())
		if err := w.round(t.Context()); err != nil {
			t.Error(err)
		}
		if len(b.plain.removed) > 0 || w.rec.Verified == nil || !journalled(b.fs, app) {
			t.Errorf("removed %q; of its journal is left %+v", b.plain.removed, w.rec)
		}
		w.quit()
	})
}
