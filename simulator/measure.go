package simulator

import (
	"iter"
	"slices"
	"time"

	"selvage/node/rollout"
)

// measure notes which deployments have got everywhere. A machine that is down has not got one.
func (t *story) measure(now time.Duration) {
	for i, d := range t.deploys {
		newest := !slices.ContainsFunc(t.deploys[i+1:], func(o *deploy) bool { return o.name == d.name })
		if d.fetched == 0 && newest && allUp(t, "") == "" && t.fetched(d) {
			d.fetched = t.fetchedAt(d, now) - d.at
			t.trace.Note("", "fetched", "%s is everywhere after %s", d.release, d.fetched)
		}
		if d.took == 0 && newest && allUp(t, "") == "" && allRun(t, d.release) == "" {
			d.took = now - d.at
			t.trace.Note("", "deployed", "%s runs everywhere after %s", d.release, d.took)
		}
	}
}

// fetched reports whether every target has what it is to run, whether or not it runs yet.
func (t *story) fetched(d *deploy) bool {
	for _, n := range t.targets(d) {
		r := running(n, d.name)
		waits := r.Phase == string(rollout.Absent) || r.Phase == string(rollout.Waiting) || r.Phase == string(rollout.Fetching)
		if r.Target != d.release || waits {
			return false
		}
	}
	return true
}

// fetchedAt is when the last target had the release's blob: now, but where nodes are looked at only now and then. What was there
// before was there when it was declared.
func (t *story) fetchedAt(d *deploy, now time.Duration) time.Duration {
	last := d.at
	for _, n := range t.targets(d) {
		timed, ok := n.(Timed)
		if !ok {
			return now
		}
		for _, b := range n.Holdings() {
			if b.Digest == t.releases[d.release].digest && b.CompletedAt != nil {
				last = max(last, timed.When(*b.CompletedAt))
			}
		}
	}
	return min(last, now)
}

// targets are the members that a deployment is meant for, and that answer.
func (t *story) targets(d *deploy) iter.Seq2[Machine, Agent] {
	return func(yield func(Machine, Agent) bool) {
		for _, m := range t.Machines() {
			if n := t.member(m); n != nil && t.meant(m, d.selector) && !yield(m, n) {
				return
			}
		}
	}
}
