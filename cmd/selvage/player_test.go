package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

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
		"both":  {Kind: "always", Name: "one_holder", UntilSeconds: 600, Detail: "both"},
		"work":  {Kind: "story", Name: "played_to_its_end", Detail: "at 20s: line 14: seed till@v1: node a/n0 is down"},
		"ends":  {Kind: "story", Name: "played_to_its_end", Detail: "at 20s: no"},
	}
	for _, c := range []struct {
		checks []string
		want   verdict
	}{
		{[]string{"fine"}, nil},
		{[]string{"open", "early", "fine", "late", "dear"}, verdict{{"eventually all_run: app@v1", "eventually all_run: app@v1: a/n0 is down"}}},
		{[]string{"late", "over", "both"}, verdict{{"always one_leader", "always one_leader: two"}, {"always one_holder", "always one_holder: both"}}},
		{[]string{"early", "dear", "open"}, verdict{{"sometimes led: a", "sometimes led: a: "}}},
		{[]string{"early", "dear"}, verdict{{"budget makespan", "budget makespan: "}}},
		{[]string{"over", "ends"}, verdict{{"story played_to_its_end: at 20s: no", "story played_to_its_end: at 20s: no"}}},
		{[]string{"work"}, verdict{{"story played_to_its_end: at 20s: seed till@v1: node a/n0 is down", "story played_to_its_end: at 20s: line 14: seed till@v1: node a/n0 is down"}}},
	} {
		r := simulator.Result{VirtualSeconds: 60}
		for _, name := range c.checks {
			r.Checks = append(r.Checks, all[name])
		}
		if got := judge(r); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q", c.checks, got)
		}
	}
}

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"[0:00] 3%\nselvage: error: seed app@v1: disk full\nselvage: hint: make room\n": "selvage: error: seed app@v1: disk full",
		"[0:00] 3%\npanic: no\n\ngoroutine 1\n":                                         "panic: no",
		"killed\n":                                                                      "killed",
	} {
		if got := firstLine(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestStoryThatIsNotPlayedHasNotFailed: where no process can be started, nothing is known of the story.
func TestStoryThatIsNotPlayedHasNotFailed(t *testing.T) {
	p := &player{exe: t.TempDir(), engine: "native", limit: time.Minute}
	if v, err := p.play(t.Context(), "any.yaml", 1); err == nil || v.failed() {
		t.Errorf("verdict %v, error %v, want an error alone", v, err)
	}
}

// TestStoryThatIsInterruptedHasNotFailed: an interrupt at the terminal may come to the story first.
func TestStoryThatIsInterruptedHasNotFailed(t *testing.T) {
	v, err := standIn(t, "exit 130").play(t.Context(), "any.yaml", 1)
	if !errors.Is(err, context.Canceled) || v.failed() {
		t.Errorf("verdict %v, error %v, want that it was interrupted", v, err)
	}
}
