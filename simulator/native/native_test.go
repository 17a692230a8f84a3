package native

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
			r, err := Run(t.Context(), parse(t, twoSites+c.more), nil)
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

// TestWorkThatFails: a story that cannot go on is an error, not a failed check.
func TestWorkThatFails(t *testing.T) {
	_, err := Run(t.Context(), parse(t, twoSites+"faults: [{at: 9s, for: 5s, diskfull: a/n0}]\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "seed app@v1") {
		t.Errorf("got %v", err)
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
		r, err := Run(t.Context(), parse(t, story+more), nil)
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
`), nil)
	if err == nil || !strings.Contains(err.Error(), "amend the charter: charter: charter is not the next version: version 3 after 1") {
		t.Errorf("got %v", err)
	}
}

// BenchmarkIdle lets 100 nodes at 20 sites do nothing for ten virtual minutes.
func BenchmarkIdle(b *testing.B) {
	var sites []string
	for i := range 20 {
		sites = append(sites, fmt.Sprintf("{name: s%d, nodes: 5, uplink: {up: 8mbit, down: 8mbit, latency: 20ms}}", i))
	}
	s := parse(b, "duration: 10m\nsites: ["+strings.Join(sites, ", ")+"]\n")
	for b.Loop() {
		r, err := Run(b.Context(), s, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(r.VirtualSeconds/r.WallSeconds, "virtual-s/s")
		var down int64
		for _, u := range r.Uplinks {
			down += u.DownBytes
		}
		b.ReportMetric(float64(down)*8/r.VirtualSeconds/20, "bit/s-per-uplink")
	}
}

// TestScenarios plays every small scenario that is shipped, once.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := Run(t.Context(), load(t, file), nil)
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
