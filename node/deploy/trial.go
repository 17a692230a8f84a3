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
	inst   runtime.Instance // nil until it was started
	health rollout.Health
	detail string
}

type trialConfig struct {
	cfg     Config
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
		if inst := t.launch(ctx); inst != nil {
			t.watch(ctx, inst)
		}
	})
	return t
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

// end stops the instance too, and if remove, deletes what it has on disk.
func (t *trial) end(ctx context.Context, remove bool) error {
	t.abandon()
	if inst := t.instance(); inst != nil {
		if err := inst.Stop(ctx); err != nil {
			return fmt.Errorf("stop %s: %w", t.version.Release, err)
		}
	}
	if !remove || t.driver == nil {
		return nil
	}
	return t.driver.Remove(ctx, t.name)
}

// launch starts the version, trying again while it may help, though not for longer than the version
// may take to become healthy; nil means that it cannot be started.
func (t *trial) launch(ctx context.Context) runtime.Instance {
	if t.driver == nil {
		t.judge(rollout.Unhealthy, fmt.Sprintf("this node has no driver for releases of type %q", t.version.Type))
		return nil
	}
	deadline := time.Now().Add(time.Duration(t.version.Spec.Health.Deadline))
	for n := 0; ctx.Err() == nil; n++ {
		inst, err := t.startOnce(ctx)
		switch {
		case err == nil:
			t.mu.Lock()
			t.inst = inst
			t.mu.Unlock()
			t.changed()
			return inst
		case ctx.Err() != nil:
			return nil
		case !t.cfg.Blobs.Have(t.version.Artifact): // it went bad on this disk, and is being got again: not the version's fault
			deadline = time.Now().Add(time.Duration(t.version.Spec.Health.Deadline))
		case errors.Is(err, runtime.ErrInvalid), !t.proven && time.Now().After(deadline):
			t.judge(rollout.Unhealthy, err.Error())
			return nil
		}
		t.judge(rollout.Pending, err.Error())
		sleep(ctx, backoff(n))
	}
	return nil
}

// startOnce asks for the kept port, and for any other if that one is taken and none was prescribed.
func (t *trial) startOnce(ctx context.Context) (runtime.Instance, error) {
	w := t.workload()
	inst, err := t.driver.Start(ctx, w)
	if err == nil || errors.Is(err, runtime.ErrInvalid) || t.version.Spec.Run.Port != 0 || w.Port == 0 {
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
