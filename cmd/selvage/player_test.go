package main

import (
	"testing"

	"selvage/simulator"
)

// TestJudge: what a story fails by is the check that ended it, not one that was still waited for then.
func TestJudge(t *testing.T) {
	all := map[string]simulator.Check{
		"fine":  {Kind: "always", Name: "nobody_dropped", OK: true},
		"open":  {Kind: "sometimes", Name: "led: a"},
		"early": {Kind: "eventually", Name: "ledgers_equal", UntilSeconds: 61},
		"late":  {Kind: "eventually", Name: "all_run: app@v1", UntilSeconds: 60, Detail: "a/n0 is down"},
		"over":  {Kind: "always", Name: "one_leader", UntilSeconds: 600, Detail: "two"},
		"dear":  {Kind: "budget", Name: "makespan"},
		"ends":  {Kind: "story", Name: "played_to_its_end", Detail: "at 20s: no"},
	}
	for _, c := range []struct {
		checks  []string
		by, why string
	}{
		{[]string{"fine"}, "", ""},
		{[]string{"open", "early", "fine", "late", "dear"}, "eventually all_run: app@v1", "eventually all_run: app@v1: a/n0 is down"},
		{[]string{"late", "over"}, "always one_leader", "always one_leader: two"},
		{[]string{"early", "dear", "open"}, "sometimes led: a", "sometimes led: a: "},
		{[]string{"early", "dear"}, "budget makespan", "budget makespan: "},
		{[]string{"over", "ends"}, "story played_to_its_end: at 20s: no", "story played_to_its_end: at 20s: no"},
	} {
		r := simulator.Result{VirtualSeconds: 60}
		for _, name := range c.checks {
			r.Checks = append(r.Checks, all[name])
		}
		if got := judge(r); got != (verdict{c.by, c.why}) {
			t.Errorf("%v: %q, %q", c.checks, got.by, got.why)
		}
	}
}
