package deploy

import (
	"context"
	"fmt"
	"time"

	"selvage/node/rollout"
)

// putOff is a change to a version that could not be made: what was there could not be cleared away, or the journal could not
// be written. It says nothing about the version.
type putOff struct {
	version rollout.ID
	why     string
	times   int
	until   time.Time // when it is tried again
}

// putOffFor is the pause before a change is tried again that was put off n times before: each try has what runs stopped.
func putOffFor(n int) time.Duration { return min(time.Minute<<min(n, 6), time.Hour) }

// observePutOff fills in why the target is not changed to yet, and has the worker look again when it may be.
func (w *worker) observePutOff(s *rollout.State) {
	w.again = nil
	if s.Target == "" || w.stuck.version != s.Target {
		return
	}
	if left := time.Until(w.stuck.until); left > 0 {
		s.Stuck, w.again = w.stuck.why, time.After(left)
	}
}

// startOrPutOff starts a version. If that of a new one does not come to be tried, what proved itself runs meanwhile.
func (w *worker) startOrPutOff(ctx context.Context, v Version) error {
	err := w.start(ctx, v)
	switch {
	case w.proven(v):
		return err
	case err == nil:
		w.stuck = putOff{}
		return nil
	}
	times := 0
	if w.stuck.version == v.ID {
		times = w.stuck.times
	}
	pause := putOffFor(times)
	if w.rec.Verified == nil { // nothing runs meanwhile
		pause = backoff(2)
	}
	w.stuck = putOff{version: v.ID, why: err.Error(), times: times + 1, until: time.Now().Add(pause)}
	w.log.Error("deploy: cannot change", "release", v.Release, "again_in", pause, "err", err)
	return nil
}

// proven reports whether a version is the last that proved itself.
func (w *worker) proven(v Version) bool { return w.rec.Verified != nil && w.rec.Verified.ID == v.ID }

// start begins the trial of a version in place of what runs. An attempt counts from when all is ready for it.
func (w *worker) start(ctx context.Context, v Version) error {
	proven := w.proven(v)
	if !proven && w.rec.Trying != v.ID { // from here on it has begun: see observeTime
		if err := w.begin(v.ID); err != nil {
			return err
		}
	}
	driver, ok := w.cfg.Drivers[v.Type]
	changes := w.typeChanges(v.Type)
	if !ok || !driver.Replaces() || changes || v.Spec.Singleton || w.trial != nil && w.trial.singleton() {
		if err := w.stop(ctx); err != nil {
			return err
		}
	}
	if ok && changes {
		if err := w.clear(ctx, proven); err != nil {
			return err
		}
	}
	if !proven {
		rec := w.rec
		rec.Attempts++
		if err := w.save(rec); err != nil {
			return err
		}
	}
	w.retire()
	w.log.Info("deploy: starting", "release", v.Release, "proven", proven)
	w.trial = startTrial(ctx, trialConfig{
		cfg: w.cfg, tenure: w.tenure, driver: driver, name: w.name, version: v, proven: proven, port: w.port(v), changed: w.poke,
	})
	return nil
}

// typeChanges reports whether what runs, or ran last, is of another type.
func (w *worker) typeChanges(to string) bool {
	if w.trial != nil && w.trial.version.Type != to {
		return true
	}
	last := w.rec.lastType()
	return last != "" && last != to
}

// clear removes what lies on disk of what ran last; nothing runs. What proved itself is not kept from running by that it cannot be:
// it lies beside it then, until all of the deployment is removed.
func (w *worker) clear(ctx context.Context, proven bool) error {
	last := w.rec.lastType()
	driver, ok := w.cfg.Drivers[last]
	if !ok {
		return nil
	}
	err := driver.Remove(ctx, w.name)
	if err != nil && proven {
		w.log.Warn("deploy: what ran before is not removed", "type", last, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove what ran before, of type %s: %w", last, err)
	}
	return nil
}

// port picks the port to ask for: the manifest's, or the free one that was picked before.
func (w *worker) port(v Version) int {
	if v.Spec.Run.Port != 0 {
		return v.Spec.Run.Port
	}
	return w.rec.Port
}

// retire keeps what serves now until the next trial has taken over from it.
func (w *worker) retire() {
	if w.trial == nil {
		return
	}
	w.trial.abandon()
	if w.trial.instance() != nil {
		w.old = w.trial
	}
	w.trial = nil
}
