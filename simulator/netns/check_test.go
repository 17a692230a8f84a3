//go:build linux

package netns

import (
	"errors"
	"strings"
	"testing"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

// TestCheck: what cannot be played is refused with its place, what is lacking, and a hint.
func TestCheck(t *testing.T) {
	for more, want := range map[string]string{
		"":                                "",
		"{at: 1s, for: 1s, crash: a/n0}":  "",
		"{at: 1s, for: 1s, diskfull: a}":  "",
		"{at: 1s, cut: {from: a, to: b}}": "",
		"{at: 2s, restore: {on: a/n0, from: 1s}}":                                              "",
		"{at: 1s, degrade: {on: a, uplink: {up: 1mbit, loss: 3%, duty: {up: 1s, every: 2s}}}}": "",
		"{at: 1s, clock: {on: a, set: 1970}}":                                                  "line 3, fault at 1s: cannot set a node's clock wrong (clock): ",
		"{at: 1s, powercut: b/n0}":                                                             "line 3, fault at 1s: cannot lose what was not synced (powercut): ",
		"{at: 1s, for: 1s, pause: a/n0}":                                                       "",
		"{at: 1s, for: 1s, suspend: a}":                                                        "",
		"{at: 1s, slowdisk: {on: a, sync: 1s}}":                                                "line 3, fault at 1s: cannot slow down a node's disk (slowdisk): ",
		"{at: 1s, poison: b/n0}":                                                               "line 3, fault at 1s: cannot have a node serve corrupt chunks (poison): ",
		"{at: 1s, degrade: {on: a, uplink: {mtu: 9000}}}":                                      "line 3, fault at 1s: cannot send packets of 9000 bytes (uplink mtu): ",
		"]\nrandom: [{every: 10s, before: 1m, kinds: [powercut]}":                              "random fault at ",
	} {
		err := check(parse(t, "sites: [{name: a, nodes: 1}, {name: b, nodes: 1}]\nduration: 10m\nfaults: ["+more+"]\n").Expand())
		var u *lab.Unable
		if (err == nil) != (want == "") || err != nil && (!errors.As(err, &u) || u.Hint == "" || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", more, err, want)
		}
	}
	for _, work := range []string{"uplink: {on: a, windows: [0 0 * * * 1h]}", "deploy: {release: x@1, windows: [0 0 * * * 1h]}", "deploy: {release: x@1, not_before: 1m}"} {
		err := check(parse(t, "sites: [{name: a, nodes: 1}]\nwork: [{at: 1s, seed: {size: 1B, name: x, version: 1}}, {at: 2s, "+work+"}]\n"))
		var u *lab.Unable
		if !errors.As(err, &u) || u.Hint == "" || !strings.HasPrefix(err.Error(), "line 2, work at 2s: cannot wait for a time of day (windows, not_before): ") {
			t.Errorf("%s: got %v", work, err)
		}
	}
	wrong := check(parse(t, "sites: [{name: a, nodes: 1}]\nwork: [{at: 1s, seed: {size: 1KB, name: x, version: v1, wrong: size}}]\n"))
	if u := (*lab.Unable)(nil); !errors.As(wrong, &u) || u.Hint == "" || !strings.HasPrefix(wrong.Error(), "line 2, work at 1s: cannot sign a release that is wrong") {
		t.Errorf("a wrong release: got %v", wrong)
	}
	mirror := check(parse(t, "sites: [{name: a, nodes: 1}, {name: b, nodes: 1}]\nwork: [{at: 1s, mirror: {of: a/n0, on: b}}]\n"))
	if u := (*lab.Unable)(nil); !errors.As(mirror, &u) || u.Hint == "" || !strings.HasPrefix(mirror.Error(), "line 2, work at 1s: cannot have a web server") {
		t.Errorf("a mirror: got %v", mirror)
	}
	for more, name := range map[string]string{"always: [all_up, one_singleton]": "one_singleton", "always: [one_holder]": "one_holder",
		"sometimes: [one_holder]": "one_holder", "eventually: {within: 1s, of: start, check: [lock_taken: a]}": "lock_taken"} {
		err := check(parse(t, "sites: [{name: a, nodes: 1}]\n"+more+"\n"))
		if u := (*lab.Unable)(nil); !errors.As(err, &u) || u.Hint == "" || !strings.HasPrefix(err.Error(), "line 2, check "+name+": cannot see at every moment") {
			t.Errorf("%s: got %v", more, err)
		}
	}
	for _, site := range []string{"uplink: {nat: cone}", "lan: {loss: 1%}"} {
		err := check(parse(t, "sites: [{name: a, nodes: 1, "+site+"}]\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "site a: cannot ") {
			t.Errorf("%s: got %v", site, err)
		}
	}
}

func parse(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("story.yaml", []byte(text), simulator.Invariants())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
