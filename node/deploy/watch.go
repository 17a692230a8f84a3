package deploy

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"selvage/ledger/manifest"
	"selvage/node/health"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// watch judges a started instance for as long as the trial lasts. The deadline counts from here: how
// long a machine takes to unpack or compile says nothing about the version. A version that proved
// itself before has no deadline: it is only told when it does not answer.
func (t *trial) watch(ctx context.Context, inst runtime.Instance) {
	spec := t.version.Spec.Health
	rule := health.Rule{MinHealthy: time.Duration(spec.MinHealthyTime), Deadline: time.Duration(spec.Deadline)}
	if t.proven {
		rule = health.Rule{}
	}
	cfg := health.Config{Rule: rule, Dial: t.cfg.Dial, Probe: probeOf(spec.HTTP)}
	if spec.HTTP != nil {
		cfg.Interval = time.Duration(spec.HTTP.Interval)
	}
	err := health.Watch(ctx, cfg, inst, func(v health.Verdict) { t.judge(judgement(v), v.Reason) })
	if err != nil && ctx.Err() == nil {
		t.judge(rollout.Unhealthy, fmt.Sprintf("cannot be watched: %v", err))
	}
}

func probeOf(p *manifest.HTTPProbe) *health.Probe {
	if p == nil {
		return nil
	}
	return &health.Probe{Port: p.Port, Path: p.Path, Timeout: time.Duration(p.Timeout)}
}

func judgement(v health.Verdict) rollout.Health {
	switch {
	case v.State == health.Pending:
		return rollout.Pending
	case v.State == health.Healthy && v.Ready:
		return rollout.Healthy
	}
	return rollout.Unhealthy
}

// sum returns the artifact's digest as bytes.
func (a Artifact) sum() ([32]byte, error) {
	raw, err := hex.DecodeString(a.Digest)
	if err != nil || len(raw) != 32 {
		return [32]byte{}, fmt.Errorf("%q is not a SHA-256 in hex", a.Digest)
	}
	return [32]byte(raw), nil
}
