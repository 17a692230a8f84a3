package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"selvage/node/rollout"
)

// worker brings one deployment to where the ledger wants it.
type worker struct {
	cfg  Config
	name string
	log  *slog.Logger
	wake chan struct{} // holds one: something is new

	tenure *tenure

	mu      sync.Mutex
	desired Desired
	status  Status
	running []Artifact

	// The rest belongs to run.
	rec   record
	kept  bool   // there is a journal
	owed  bool   // rec could not be written to it
	trial *trial // what was started last and not stopped
	old   *trial // what serves until trial has taken over from it
	fetch *fetch // of the target
	mend  *fetch // of the way back
	turn  *turn  // to change; nil while none is needed
	turns sync.WaitGroup
	opens time.Time        // when the target may be begun, if that is not now
	look  <-chan time.Time // tells when it may be that this has changed; nil if it cannot
	stuck putOff           // the change that could not be made, if one could not
	again <-chan time.Time // tells when it is tried again; nil if it is not put off
}

// newWorker is told at once what is wanted: one that ran before it knew would take its deployment for one that is not meant for this
// node any more, and remove it.
func newWorker(cfg Config, tenure *tenure, d Desired) *worker {
	return &worker{cfg: cfg, tenure: tenure, name: d.Name, desired: d, log: cfg.Logger.With("deployment", d.Name), wake: make(chan struct{}, 1)}
}

func (w *worker) set(d Desired) {
	w.mu.Lock()
	w.desired = d
	w.mu.Unlock()
	w.poke()
}

// fall says that the deployment is declared no more.
func (w *worker) fall() {
	if was := w.wanted(); was.Selected && was.Problem != fallen {
		w.set(Desired{Name: w.name, Selected: true, Problem: fallen})
	}
}

// fallen is the Problem of a deployment that is declared no more.
const fallen = "it is not declared any more: what declared it counts no more, as a key or a charter was replaced"

func (w *worker) wanted() Desired {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.desired
}

func (w *worker) current() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// poke makes run go round once more.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

func (w *worker) run(ctx context.Context) {
	defer w.quit()
	w.load(ctx)
	for ctx.Err() == nil {
		if err := w.round(ctx); err != nil {
			w.log.Error("deploy: cannot go on", "err", err)
			w.tell(w.wanted(), rollout.Action{Phase: rollout.Waiting, Why: err.Error()})
			sleep(ctx, backoff(2))
			continue
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-w.look:
		case <-w.again:
		}
	}
}

// quit ends the goroutines; instances are their drivers' to close.
func (w *worker) quit() {
	for _, f := range []*fetch{w.fetch, w.mend} {
		if f != nil {
			f.stop()
		}
	}
	for _, t := range []*trial{w.trial, w.old} {
		if t != nil {
			t.abandon()
		}
	}
	w.turns.Wait()
}

// round observes, decides and acts until there is nothing more to do now.
func (w *worker) round(ctx context.Context) error {
	for {
		d := w.wanted()
		w.settle()
		s := w.observe(d)
		w.observeTime(d, &s)
		w.observePutOff(&s)
		w.takeTurn(ctx, d, &s)
		a := rollout.Decide(s)
		again, err := w.carryOut(ctx, d, a)
		if err != nil {
			return err
		}
		w.tell(d, a)
		if !again {
			return nil
		}
	}
}

// observe puts what the worker knows into the form that rollout decides on.
func (w *worker) observe(d Desired) rollout.State {
	s := rollout.State{Selected: d.Selected, Left: w.kept, Problem: d.Problem, Broken: w.rec.Broken, Reason: w.rec.Reason, Bar: w.tenure.bar()}
	if d.Target != nil {
		s.Target, s.Singleton.Target = d.Target.ID, d.Target.Spec.Singleton
		s.Fetched = w.cfg.Blobs.Have(d.Target.Artifact)
		if w.rec.Trying == s.Target {
			s.Attempts = w.rec.Attempts
		}
	}
	if w.rec.Verified != nil {
		s.Verified, s.Singleton.Verified = w.rec.Verified.ID, w.rec.Verified.Spec.Singleton
		s.Torn = !w.cfg.Blobs.Have(w.rec.Verified.Artifact)
	}
	if w.trial != nil {
		s.Running, s.Singleton.Running = w.trial.version.ID, w.trial.singleton()
		s.Health, s.Detail = w.trial.judgement()
		s.Lapsed = w.trial.lapsed() // after the judgement, which may be of the lapse
	}
	return s
}

// carryOut does what rollout decided, in its order; it reports whether the world has changed by it.
func (w *worker) carryOut(ctx context.Context, d Desired, a rollout.Action) (again bool, err error) {
	if a.Fail != "" || a.Verify != "" {
		if err := w.remember(a); err != nil {
			return false, err
		}
		again = true
	}
	w.fetchFor(ctx, d, a)
	if a.Stop {
		interrupted := w.trial
		if err := w.stop(ctx); err != nil {
			return false, err
		}
		w.forgive(interrupted)
		again = true
	}
	if a.Begin != "" {
		if err := w.begin(a.Begin); err != nil {
			return false, err
		}
		again = true
	}
	if a.Remove {
		if err := w.remove(ctx); err != nil {
			return false, err
		}
		again = true
	}
	if a.Start != "" {
		if err := w.startOrPutOff(ctx, w.version(d, a.Start)); err != nil {
			return false, err
		}
		again = true
	}
	return again, nil
}

// forgive does not count the attempt of a singleton that was stopped before it came to anything: that the lead has
// passed on says nothing about the version.
func (w *worker) forgive(t *trial) {
	if t == nil || !t.singleton() || w.rec.Trying != t.version.ID || w.rec.Attempts == 0 || w.rec.Broken == t.version.ID {
		return
	}
	rec := w.rec
	rec.Attempts--
	w.note(rec)
}

// version finds the version that an action names: rollout only ever starts one of these two. What operators have signed counts more than
// what the journal remembers of it, which no digest guards.
func (w *worker) version(d Desired, id rollout.ID) Version {
	if d.Target != nil && d.Target.ID == id {
		return *d.Target
	}
	return *w.rec.Verified
}

// remember makes a verdict durable. That a version failed counts at once, though it cannot be written: it may be what filled the disk, and
// what proved itself shall run again. Should the agent end before it can be, the attempts are still counted.
func (w *worker) remember(a rollout.Action) error {
	rec := w.rec
	if a.Fail != "" {
		rec.Broken, rec.Reason = a.Fail, a.Why
		w.log.Warn("deploy: version failed", "release", w.trial.release(), "why", a.Why)
	}
	if a.Verify != "" {
		v := w.trial.version
		if old := rec.Verified; old != nil && old.Artifact != v.Artifact {
			rec.Before = old
		}
		rec.Verified, rec.Trying, rec.Attempts = &v, "", 0
		w.log.Info("deploy: version verified", "release", v.Release)
	}
	if a.Fail != "" {
		w.note(rec)
		return nil
	}
	return w.save(rec)
}

// note has a record count, and be durable as soon as it can be.
func (w *worker) note(rec record) {
	if err := w.save(rec); err != nil {
		w.log.Warn("deploy: cannot write down how it stands", "err", err)
		w.rec, w.owed = rec, true
	}
}

func (w *worker) save(rec record) error {
	if err := rec.save(w.cfg.FS, w.name); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	w.rec, w.kept, w.owed = rec, true, false
	return nil
}

// settle takes note of what the trial has come to: that it took over, and the port it was given.
func (w *worker) settle() {
	if w.owed {
		w.note(w.rec)
	}
	if w.trial == nil || w.trial.instance() == nil {
		return
	}
	w.old = nil // its driver has ended it
	rec := w.rec
	rec.Type = w.trial.version.Type
	_, port, err := net.SplitHostPort(w.trial.instance().Addr())
	if n, perr := strconv.Atoi(port); err == nil && perr == nil && w.trial.version.Spec.Run.Port == 0 {
		rec.Port = n
	}
	if rec != w.rec {
		w.note(rec)
	}
}

// stop ends all that runs of the deployment.
func (w *worker) stop(ctx context.Context) error {
	for _, t := range []**trial{&w.trial, &w.old} {
		if *t == nil {
			continue
		}
		if err := (*t).end(ctx); err != nil {
			return err
		}
		*t = nil
	}
	return nil
}

// tell publishes how the deployment does.
func (w *worker) tell(d Desired, a rollout.Action) {
	s := Status{Name: w.name, Phase: a.Phase, Why: a.Why}
	if d.Target != nil {
		s.Target, s.Aim = d.Target.Release, d.Target.ID
	}
	if a.Phase == rollout.Fetching && w.fetch != nil {
		s.Why = w.fetch.tell(s.Why)
	}
	if w.mend != nil {
		s.Why = w.mend.tellBack(s.Why, w.rec.Verified.Release)
	}
	if a.Phase == rollout.Scheduled || a.Ahead {
		s.Opens = w.opens
	}
	serving := w.trial
	if serving == nil || serving.instance() == nil {
		serving = w.old
	}
	if serving != nil && serving.instance() != nil {
		s.Release, s.Version = serving.version.Release, serving.version.ID
		s.Address, s.Ready = serving.instance().Addr(), serving.ready()
	}
	var running []Artifact
	for _, t := range []*trial{w.trial, w.old} {
		if t != nil {
			running = append(running, t.version.Artifact)
		}
	}
	w.mu.Lock()
	changed := w.status != s
	w.status, w.running = s, running
	w.mu.Unlock()
	if changed {
		w.cfg.Changed()
	}
}
