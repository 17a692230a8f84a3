package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

func load(t testing.TB, file string) scenario.Scenario {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(file, data, simulator.Invariants())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// parse reads a scenario from text.
func parse(t testing.TB, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("story.yaml", []byte(text), simulator.Invariants())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const twoSites = `
sites: [{name: a, nodes: 1, uplink: {up: 8mbit, down: 8mbit}}, {name: b, nodes: 2, uplink: {up: 8mbit, down: 8mbit}}]
work:
  - {at: 10s, seed: {size: 1MB, from: a/n0, name: app, version: v1}}
  - {at: 11s, deploy: {name: app, release: app@v1}}
`

// TestChecksBite: a story in which something does not hold says so, and what.
func TestChecksBite(t *testing.T) {
	for what, c := range map[string]struct{ more, want string }{
		"an invariant that is broken": {"always: [none_runs: app@v1]\neventually: {within: 1m, of: work, check: [all_run: app@v1]}", "runs app@v1"},
		"what never comes about":      {"faults: [{at: 1s, partition: [[a], [b]]}]\neventually: {within: 1m, of: work, check: [all_run: app@v1]}", "b/n"},
		"what is never so":            {"duration: 1m\nsometimes: [somebody_dropped]", "nobody has dropped a peer"},
		"a budget":                    {"eventually: {within: 1m, of: work, check: [all_run: app@v1]}\nbudget: {blob_ratio: 0.5, makespan: 1ms}", "times the ideal"},
		"a disk that stays full":      {"faults: [{at: 5s, diskfull: b/n1}]\neventually: {within: 1m, of: work, check: [all_run: app@v1]}", "b/n1 runs"},
	} {
		t.Run(what, func(t *testing.T) {
			r, err := Run(t.Context(), parse(t, twoSites+c.more), simulator.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.OK {
				t.Fatalf("all is well: %+v", r.Checks)
			}
			for _, o := range r.Checks {
				if !o.OK && strings.Contains(o.Detail, c.want) {
					return
				}
			}
			t.Errorf("nothing says %q: %+v", c.want, r.Checks)
		})
	}
}

// TestBackupOfWhoHasJustJoined: a backup that is made when a machine joins is of that, too.
func TestBackupOfWhoHasJustJoined(t *testing.T) {
	r, err := Run(t.Context(), parse(t, `
sites: [{name: a, nodes: 2}]
faults: [{at: 20s, for: 2s, restore: {on: a, from: 6s}}]
work: [{at: 6s, join: {site: a, name: late}}]
eventually: {within: 1m, of: heal, check: [all_up, all_know_all]}
`), simulator.Options{})
	if err != nil || !r.OK {
		t.Errorf("%v, %+v", err, r.Checks)
	}
}

// TestNothingRots: where no blob is on a disk, none goes bad, and a story that wants that says so.
func TestNothingRots(t *testing.T) {
	for at, want := range map[string]string{"1s": "have the disks of b go bad: there is no blob on them", "40s": ""} {
		r, err := Run(t.Context(), parse(t, twoSites+"faults: [{at: "+at+", rot: b}]\nduration: 1m\n"), simulator.Options{})
		if got := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(got, want) && want != "" {
			t.Errorf("at %s: %v, %+v", at, err, r.Checks)
		}
	}
}

// TestWorkWhereAFaultEnds: what a fault stopped runs again at the moment when it ends, and people can work there then.
func TestWorkWhereAFaultEnds(t *testing.T) {
	for _, fault := range []string{"crash: b/n1", "powercut: b", "pause: b/n1", "restore: {on: b/n1, from: 4s}",
		"crash: b/n1}, {at: 6s, for: 30s, slowdisk: {on: b/n1, sync: 1s}"} { // to start takes it a while

		r, err := Run(t.Context(), parse(t, `
sites: [{name: a, nodes: 1}, {name: b, nodes: 2}]
faults: [{at: 5s, for: 10s, `+fault+`}]
work: [{at: 15s, seed: {size: 100KB, from: b/n1, name: app, version: v1}}, {at: 15s, deploy: {release: app@v1}}]
eventually: {within: 1m, of: work, check: [all_up, all_run: app@v1]}
`), simulator.Options{})
		if err != nil || !r.OK {
			t.Errorf("%s: %v, %+v", fault, err, r.Checks)
		}
	}
}

// TestTooLarge: a world that cannot be made is an error, and leaves nothing behind that keeps the bubble from ending.
func TestTooLarge(t *testing.T) {
	s := scenario.Scenario{Duration: time.Minute, Sites: []scenario.Site{{Name: "a", Nodes: scenario.MaxSiteNodes + 1}}}
	if _, err := Run(t.Context(), s, simulator.Options{}); err == nil || !strings.Contains(err.Error(), "a/n250") {
		t.Errorf("got %v", err)
	}
}

// TestIssuerTwice: an issuer is named again, for credentials of another life.
func TestIssuerTwice(t *testing.T) {
	r, err := Run(t.Context(), parse(t, `
sites: [{name: a, nodes: 2}]
work:
  - {at: 10s, issuer: {node: a/n1, from: a/n0}}
  - {at: 12s, issuer: {node: a/n1, from: a/n0, life: 30d}}
eventually: {within: 1m, of: work, check: ledgers_equal}
`), simulator.Options{})
	if err != nil || !r.OK {
		t.Errorf("%v: %+v", err, r.Checks)
	}
}

// TestWorkThatFails: a story that cannot go on is an error, not a failed check.
func TestWorkThatFails(t *testing.T) {
	s := parse(t, twoSites)
	s.Faults = []scenario.Fault{{At: 9 * time.Second, For: 5 * time.Second, Kind: scenario.DiskFull, On: "a/n0"}} // which no file can say
	r, err := Run(t.Context(), s, simulator.Options{})
	if err == nil || !strings.Contains(err.Error(), "seed app@v1") {
		t.Errorf("got %v", err)
	}
	if first := r.Checks[0]; r.OK || first.OK || !strings.Contains(first.Detail, "seed app@v1") {
		t.Errorf("the result says %+v", first)
	}
}

// TestRecord: who was up, what was held and what crossed the uplinks is recorded, and messages while the window is open.
func TestRecord(t *testing.T) {
	s := parse(t, twoSites+`
faults: [{at: 20s, for: 10s, crash: b/n1}]
eventually: {within: 1m, of: heal, check: [all_up, all_run: app@v1]}
`)
	window := simulator.Span{From: 10 * time.Second, To: 14 * time.Second}
	r, err := Run(t.Context(), s, simulator.Options{Record: true, Window: window})
	if err != nil || !r.OK {
		t.Fatalf("%v, %+v", err, r.Checks)
	}
	rec := r.Record
	life := rec.Lives[2]
	if len(rec.Lives) != 3 || life.Place != "b/n1" || life.Name != "b-n1" || len(life.Up) != 2 || life.Up[0].To != 20*time.Second || life.Up[1].From < 30*time.Second {
		t.Errorf("lives %+v", rec.Lives)
	}
	last := len(rec.Series.At) - 1
	if got := rec.Series.At[last].Seconds(); got != r.VirtualSeconds {
		t.Errorf("the last sample is of %.3f s, the story ended at %.3f", got, r.VirtualSeconds)
	}
	for _, n := range rec.Series.Nodes {
		if n.Held[0] != 0 || n.Held[last] != 1e6 {
			t.Errorf("%s held %d and then %d", n.Node, n.Held[0], n.Held[last])
		}
	}
	if b := rec.Series.Sites[1]; b.Down[last] != r.Uplinks[1].DownBytes || b.Up[last] != r.Uplinks[1].UpBytes {
		t.Errorf("series end with %d and %d, the uplink says %+v", b.Down[last], b.Up[last], r.Uplinks[1])
	}
	said := map[string]int{}
	for _, e := range r.Events {
		if e.Level != "debug" {
			continue
		}
		if !window.Has(e.At) {
			t.Fatalf("outside of the window: %+v", e)
		}
		if e.Peer != "" && e.Peer != "a-n0" && e.Peer != "b-n0" && e.Peer != "b-n1" {
			t.Fatalf("to nobody: %+v", e)
		}
		said[e.What]++
	}
	for _, what := range []string{"mesh: stream", "gossip: records", "distribute: want", "distribute: have", "distribute: list request", "distribute: list", "distribute: request", "distribute: chunks"} {
		if said[what] == 0 {
			t.Errorf("nobody told of %q: %v", what, said)
		}
	}
}

// TestForgerIsDropped: a machine that joins next to a forger finds it out; without it, the check that wants somebody dropped fails.
func TestForgerIsDropped(t *testing.T) {
	const story = `
sites: [{name: a, nodes: 1}, {name: b, nodes: 1}]
work:
  - {at: 10s, seed: {size: 1MB, from: a/n0, name: app, version: v1}}
  - {at: 11s, deploy: {name: app, release: app@v1}}
  - {at: 12s, seed: {size: 1MB, from: a/n0, name: app, version: v2}}
  - {at: 13s, deploy: {name: app, release: app@v2}}
  - {at: 14s, seed: {size: 1MB, from: a/n0, name: app, version: v3}}
  - {at: 15s, deploy: {name: app, release: app@v3}}
  - {at: 40s, join: {site: b, name: late}}
eventually: {within: 30s, of: work, check: [somebody_dropped: b/n0, all_run: app@v3]}
faults:
  - {at: 40s, for: 10s, cut: {from: a, to: b/late}}
`
	for more, want := range map[string]bool{"  - {at: 30s, forge: b/n0}\n": true, "": false} {
		r, err := Run(t.Context(), parse(t, story+more), simulator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.OK != want {
			t.Errorf("with %q: %+v", more, r.Checks)
		}
	}
}

// TestCharterFromBehind: an operator cannot amend the charter at a node that does not know the one in force.
func TestCharterFromBehind(t *testing.T) {
	_, err := Run(t.Context(), parse(t, `
sites: [{name: a, nodes: 1}, {name: b, nodes: 1}]
faults: [{at: 10s, partition: [[a], [b]]}]
work: [{at: 20s, charter: {from: a/n0}}, {at: 30s, charter: {from: b/n0}}]
`), simulator.Options{})
	if err == nil || !strings.Contains(err.Error(), "amend the charter: charter: charter is not the next version: version 3 after 1") {
		t.Errorf("got %v", err)
	}
}

// TestScenarios plays every small scenario that is shipped, once.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	plain, err := filepath.Glob("../scenarios/netns/*.yaml")
	if err != nil || len(plain) == 0 {
		t.Fatalf("%v, %v", plain, err)
	}
	files = append(files, plain...)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := Run(t.Context(), load(t, file), simulator.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.0f s in %.1f s; makespan %.1f s, bound %.1f s; %+v", r.VirtualSeconds, r.WallSeconds, r.MakespanSeconds, r.BoundSeconds, r.Uplinks)
			for _, c := range r.Checks {
				if !c.OK {
					t.Errorf("%s %s: %s", c.Kind, c.Name, c.Detail)
				}
			}
			if t.Failed() {
				for _, e := range r.Events {
					t.Logf("%9.3f %-12s %s %s", e.At.Seconds(), e.On, e.What, e.Text)
				}
			}
		})
	}
}
