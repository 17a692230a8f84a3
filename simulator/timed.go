package simulator

import (
	"fmt"
	"slices"
	"time"

	"selvage/node/api"
	"selvage/simulator/scenario"
)

// What holds of deployments for later, of uplinks that are closed for a time, and of mirrors.

// inItsTime looks at what runs for the first time on a machine. What began between two looks may have begun when its time was
// about to be over.
func inItsTime(t *story, m Machine, n Agent, _ string) string {
	now := scenario.Epoch.Add(t.trace.Now())
	for _, r := range n.Status().Deployments {
		key := Place(m) + " " + r.Name + " " + r.Release
		d := t.deployed(r.Release)
		if r.Release == "" || d == nil || t.begun[key] {
			continue
		}
		t.begun[key] = true
		open, next := d.start.Open(now)
		if before, _ := d.start.Open(now.Add(-time.Second)); !open && !before {
			return fmt.Sprintf("began to run %s, which may run from %s on", r.Release, next.Sub(scenario.Epoch))
		}
	}
	return ""
}

func blobsWait(t *story, place string) string {
	up := false
	for _, m := range Placed(t.Machines(), place) {
		n := m.Agent()
		if n == nil {
			continue
		}
		up = true
		if n.Status().Uplink.BulkHeld == "" {
			return "at " + Place(m) + " blobs may cross the uplink"
		}
	}
	if !up {
		return "no node of " + place + " is up"
	}
	return ""
}

// mirrorSlack is what may come twice from a mirror: what was on its way when a node crashed, or was told too late.
const mirrorSlack = 0.05

func mirroredOnce(t *story, ref string) string {
	r, from := t.releases[ref], map[string]int64{}
	for _, m := range t.Machines() {
		from[m.Site()] += t.told.came(m)[r.digest].FromMirrorBytes
	}
	any := false
	for _, s := range t.scenario.Sites {
		any = any || from[s.Name] > 0
		if most := (1 + mirrorSlack) * float64(len(r.content)); float64(from[s.Name]) > most {
			return fmt.Sprintf("%s had %d bytes of %s from mirrors, which has %d", s.Name, from[s.Name], ref, len(r.content))
		}
	}
	if !any {
		return "nobody has had any of " + ref + " from a mirror"
	}
	return ""
}

func allHave(t *story, ref string) string {
	d, r := t.deployed(ref), t.releases[ref]
	if d == nil {
		return ref + " was not deployed"
	}
	any := false
	for m, n := range t.targets(d) {
		any = true
		whole := func(b api.Blob) bool { return b.Digest == r.digest && b.Complete }
		if !slices.ContainsFunc(n.Holdings(), whole) {
			return fmt.Sprintf("%s does not have %s, or not the whole", Place(m), ref)
		}
	}
	if !any {
		return noTarget(ref)
	}
	return ""
}
