package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"selvage/internal/mutant"
	"selvage/simulator"
	"selvage/simulator/scenario"
	"selvage/simulator/scenarios"
)

// TestHunts: every mutant has a scenario, that one is shipped and can be read, and it has the check that is to fail.
func TestHunts(t *testing.T) {
	for _, m := range prey() {
		want := hunts()[m.Name]
		file := want.scenario + scenarioSuffix
		data, err := scenarios.Read(file)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		s, err := scenario.Parse(file, data, simulator.Invariants())
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if !slices.Contains(checksOf(s), want.check) {
			t.Errorf("%s: %s has no check %q", m.Name, file, want.check)
		}
	}
	if len(hunts()) != len(prey()) {
		t.Errorf("%d hunts for %d mutants", len(hunts()), len(prey()))
	}
}

// checksOf are the checks of a scenario, as a verdict names them, with those of every story.
func checksOf(s scenario.Scenario) []string {
	all := []string{"always one_leader", "always one_singleton", "always one_holder"}
	add := func(kind string, checks []scenario.Check) {
		for _, c := range checks {
			all = append(all, strings.TrimSuffix(kind+" "+c.Name+": "+c.Arg, ": "))
		}
	}
	add("always", s.Always)
	add("sometimes", s.Sometimes)
	for _, e := range s.Eventually {
		add("eventually", e.Checks)
	}
	return all
}

// TestHuntWantsTheCheck: only the check that is named catches a mutant, and every seed that was tried has to hold without it.
// What plays the stories here is a script; $7 is the seed.
func TestHuntWantsTheCheck(t *testing.T) {
	m := mutant.Mutant{Name: mutant.ActivateEarly}
	const ok, caught = "exit 0", `echo '{"checks": [{"kind": "always", "name": "in_its_time", "detail": "early"}]}'; exit 1`
	const other = `echo '{"checks": [{"kind": "always", "name": "nobody_dropped", "detail": "gone"}]}'; exit 1`
	for what, c := range map[string]struct {
		with, without string
		want          hunted
	}{
		"the check":           {caught, ok, hunted{OK: true, Caught: true, Seed: 1, Why: "always in_its_time: early"}},
		"later":               {"[ $7 = 1 ] && exit 0; " + caught, ok, hunted{OK: true, Caught: true, Seed: 2, Why: "always in_its_time: early"}},
		"another check":       {other, ok, hunted{Seed: 3, Why: "always nobody_dropped: gone"}},
		"another, once":       {"[ $7 = 1 ] || exit 0; " + other, ok, hunted{Seed: 3, Why: "always nobody_dropped: gone"}},
		"a crash":             {"echo 'panic: no' >&2; exit 2", ok, hunted{Seed: 3, Why: "exit status 2: panic: no"}},
		"nothing":             {ok, ok, hunted{Seed: 3}},
		"without it too":      {caught, other, hunted{Caught: true, Seed: 1, Why: "always in_its_time: early", Without: "always nobody_dropped: gone"}},
		"without it, earlier": {"[ $7 = 1 ] && exit 0; " + caught, "[ $7 = 2 ] && exit 0; " + other, hunted{Caught: true, Seed: 2, Why: "always in_its_time: early", Without: "always nobody_dropped: gone"}},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			exe := filepath.Join(dir, mutantsProgram)
			script := fmt.Sprintf("#!/bin/sh\nif [ -n \"$SELVAGE_MUTANT\" ]; then %s; fi\n%s\n", c.with, c.without)
			if err := os.WriteFile(exe, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			h := &hunter{exe: exe, dir: dir, seeds: 3, bar: newProgress(io.Discard), of: 1}
			got, err := h.hunt(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Mutant, c.want.Scenario, c.want.Check, c.want.Seconds = m.Name, "for-later", "always in_its_time", got.Seconds
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
