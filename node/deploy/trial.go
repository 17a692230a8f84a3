package deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"selvage/node/rollout"
	"selvage/node/runtime"
)

// trial starts one version and watches it: until it proves itself or fails, and for as long as
// it runs after that.
type trial struct {
	trialConfig
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	inside bool             // a singleton that entered the tenure, and has not left
	barred bool             // a singleton that could not be started for want of the lead
	inst   runtime.Instance // nil until it was started
	health rollout.Health
	detail string
}

type trialConfig struct {
	cfg     Config
	tenure  *tenure
	driver  runtime.Driver // nil if there is none for the version's type
	name    string
	version Version
	proven  bool // it proved itself earlier: no deadline
	port    int
	changed func() // called when judgement or instance changed
}

// startTrial returns at once; the trial ends with ctx, or when it is abandoned.
func startTrial(ctx context.Context, c trialConfig) *trial {
	ctx, cancel := context.WithCancel(ctx)
	t := &trial{trialConfig: c, cancel: cancel}
	t.wg.Go(func() {
		if t.singleton() && !t.enter() {
			t.lapse()
			return
		}
		inst := t.launch(ctx)
		if inst == nil {
			return
		}
		if t.singleton() {
			t.wg.Go(func() { t.awaitLapse(ctx, inst) })
		}
		t.watch(ctx, inst)
	})
	return t
}

// singleton reports whether what is tried runs on the node that leads the site only.
func (t *trial) singleton() bool { return t.version.Spec.Singleton }

// enter counts a singleton in, unless it may not run here.
func (t *trial) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside = t.tenure.enter()
	return t.inside
}

// leave counts a singleton out of which nothing runs any more.
func (t *trial) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside {
		t.inside = false
		t.tenure.leave()
	}
}

// lapse notes that a singleton cannot be started for want of the lead.
func (t *trial) lapse() {
	t.mu.Lock()
	t.barred = true
	t.mu.Unlock()
	t.changed()
}

// lapsed reports whether what is tried is a singleton that does not run, or no more, for want of the lead. Its driver
// has ended it then.
func (t *trial) lapsed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.barred || t.singleton() && t.inst != nil && t.inst.Status().Phase == runtime.PhaseExited
}

// awaitLapse tells of the end of a singleton's lease at once: its health may have nothing new to say.
func (t *trial) awaitLapse(ctx context.Context, inst runtime.Instance) {
	for {
		changed := inst.Changed()
		if inst.Status().Phase == runtime.PhaseExited {
			t.changed()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// judgement says how the version does.
func (t *trial) judgement() (rollout.Health, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.health, t.detail
}

func (t *trial) instance() runtime.Instance {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inst
}

func (t *trial) ready() bool {
	h, _ := t.judgement()
	return h == rollout.Healthy && t.instance().Status().Phase == runtime.PhaseRunning
}

// release names what is tried, for logs.
func (t *trial) release() string {
	if t == nil {
		return ""
	}
	return t.version.Release
}

// abandon ends the watching and leaves the instance, if any, as it is.
func (t *trial) abandon() {
	t.cancel()
	t.wg.Wait()
}

// end stops the instance too.
func (t *trial) end(ctx context.Context) error {
	t.abandon()
	if inst := t.instance(); inst != nil {
		if err := inst.Stop(ctx); err != nil {
			return fmt.Errorf("stop %s: %w", t.version.Release, err)
		}
	}
	t.leave()
	return nil
}

// launch starts the version, trying again while it may help, though not for longer than the version
// may take to become healthy; nil means that it cannot be started. What proved itself is never given up: whatever its start
// says, it did start here, so it is the machine that has changed, and may change back (a mount that comes late).
func (t *trial) launch(ctx context.Context) runtime.Instance {
	if t.driver == nil {
		t.judge(rollout.Unhealthy, fmt.Sprintf("this node has no driver for releases of type %q", t.version.Type))
		return nil
	}
	deadline := time.Now().Add(time.Duration(t.version.Spec.Health.Deadline))
	for n := 0; ctx.Err() == nil; n++ {
		inst, err := t.startOnce(ctx)
		health, pause := rollout.Pending, backoff(n)
		switch {
		case err == nil:
			t.mu.Lock()
			t.inst = inst
			t.mu.Unlock()
			t.changed()
			return inst
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, runtime.ErrNoLease):
			t.lapse()
			return nil
		case !t.cfg.Blobs.Have(t.version.Artifact): // it went bad on this disk, and is being got again: not the version's fault
			deadline = time.Now().Add(time.Duration(t.version.Spec.Health.Deadline))
		case errors.Is(err, runtime.ErrInvalid):
			health, pause = rollout.Unhealthy, hopelessPause(n)
		case time.Now().After(deadline):
			health = rollout.Unhealthy
		}
		t.judge(health, err.Error())
		if health == rollout.Unhealthy && !t.proven {
			return nil
		}
		sleep(ctx, pause)
	}
	return nil
}

// hopelessPause is the pause before a start is tried the n-th time again that was said to be no use, n from 0: 1 s, doubling to some
// 4 min. It is longer than others, as each may write all of the artifact to the disk.
func hopelessPause(n int) time.Duration { return time.Second << min(n, 8) }

// startOnce asks for the kept port, and for any other if that one is taken and none was prescribed.
func (t *trial) startOnce(ctx context.Context) (runtime.Instance, error) {
	w := t.workload()
	inst, err := t.driver.Start(ctx, w)
	if err == nil || errors.Is(err, runtime.ErrInvalid) || errors.Is(err, runtime.ErrNoLease) || t.version.Spec.Run.Port != 0 || w.Port == 0 {
		return inst, err
	}
	w.Port = 0
	return t.driver.Start(ctx, w)
}

func (t *trial) workload() runtime.Workload {
	a, run := t.version.Artifact, t.version.Spec.Run
	w := runtime.Workload{
		Deployment: t.name, Release: t.version.Release, Type: t.version.Type,
		Args: run.Args, Env: run.Env, Port: t.port, Memory: int64(run.Resources.Memory), Timeout: time.Duration(run.Timeout),
		Node: t.cfg.Node, Site: t.cfg.Site,
		Artifact: runtime.Artifact{Size: a.Size, File: a.File, Open: func() (runtime.BlobReader, error) { return t.cfg.Blobs.Open(a) }},
	}
	if t.singleton() {
		w.Lease = t.cfg.Lead
	}
	digest, err := a.sum()
	if err == nil { // what is not a digest was never fetched
		w.Artifact.Digest = digest
	}
	return w
}

// judge publishes a judgement.
func (t *trial) judge(h rollout.Health, detail string) {
	t.mu.Lock()
	changed := t.health != h || t.detail != detail
	t.health, t.detail = h, detail
	t.mu.Unlock()
	if changed {
		t.changed()
	}
}
