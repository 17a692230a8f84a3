package simulator

import (
	"slices"
	"time"

	"selvage/node/rollout"
)

// measure notes which deployments have got everywhere. A machine that is down has not got one.
func (t *story) measure(now time.Duration) {
	for i, d := range t.deploys {
		newest := !slices.ContainsFunc(t.deploys[i+1:], func(o *deploy) bool { return o.name == d.name })
		if d.fetched == 0 && newest && allUp(t, "") == "" && t.allHave(d) {
			d.fetched = t.fetchedAt(d, now) - d.at
			t.trace.Note("", "fetched", "%s is everywhere after %s", d.release, d.fetched)
		}
		if d.took == 0 && newest && allUp(t, "") == "" && allRun(t, d.release) == "" {
			d.took = now - d.at
			t.trace.Note("", "deployed", "%s runs everywhere after %s", d.release, d.took)
		}
	}
}

// allHave reports whether every machine that a deployment is meant for has what it is to run, whether or not it runs yet.
func (t *story) allHave(d *deploy) bool {
	return !slices.ContainsFunc(t.targets(d), func(n Agent) bool {
		r := running(n, d.name)
		waits := r.Phase == string(rollout.Absent) || r.Phase == string(rollout.Waiting) || r.Phase == string(rollout.Fetching)
		return r.Target != d.release || waits
	})
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

// targets returns the members that a deployment is meant for.
func (t *story) targets(d *deploy) (agents []Agent) {
	for _, m := range t.Machines() {
		if n := t.member(m); n != nil && t.meant(m, d.selector) {
			agents = append(agents, n)
		}
	}
	return agents
}
