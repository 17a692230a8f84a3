package simulator

import (
	"testing"
	"time"

	"selvage/simulator/scenario"
)

// TestMostDrift: drifts add up where they overlap, at a node and in time.
func TestMostDrift(t *testing.T) {
	drifts := func(on string, at, lasts int, drift float64) scenario.Fault {
		return scenario.Fault{Kind: scenario.Clock, On: on, At: time.Duration(at) * time.Second, For: time.Duration(lasts) * time.Second, Drift: drift}
	}
	for what, c := range map[string]struct {
		faults []scenario.Fault
		want   int64
	}{
		"none":                       {nil, 0},
		"a jump":                     {[]scenario.Fault{{Kind: scenario.Clock, On: "a", Jump: time.Hour}}, 0},
		"one, backwards":             {[]scenario.Fault{drifts("a/n0", 1, 1, -0.01)}, 10_000_000},
		"a site and its node":        {[]scenario.Fault{drifts("a", 1, 10, 0.007), drifts("a/n1", 5, 10, 0.007)}, 14_000_000},
		"a node, then its site":      {[]scenario.Fault{drifts("a/n1", 1, 0, 0.007), drifts("a", 5, 10, 0.007)}, 14_000_000},
		"two nodes":                  {[]scenario.Fault{drifts("a/n0", 1, 10, 0.007), drifts("a/n1", 5, 10, 0.006)}, 7_000_000},
		"two sites":                  {[]scenario.Fault{drifts("a", 1, 10, 0.007), drifts("b/n1", 5, 10, 0.007)}, 7_000_000},
		"against each other":         {[]scenario.Fault{drifts("a", 1, 10, 0.007), drifts("a/n1", 1, 10, -0.007)}, 7_000_000},
		"only where they are alone":  {[]scenario.Fault{drifts("a/n0", 1, 10, 0.02), drifts("a/n0", 1, 10, -0.015)}, 5_000_000},
		"one when the other is over": {[]scenario.Fault{drifts("a", 1, 4, 0.007), drifts("a", 5, 10, 0.007)}, 7_000_000},
		"one that does not end":      {[]scenario.Fault{drifts("a", 1, 0, 0.007), drifts("a", 500, 1, 0.007)}, 14_000_000},
	} {
		if got := mostDrift(c.faults); got != c.want {
			t.Errorf("%s: %d, want %d", what, got, c.want)
		}
	}
}

// overseen is a stage that sees who leads.
type overseen struct {
	stage
	Overseer
}

// TestDriftsBeyondTheBoundAreNotOverseen: together they are beyond it, though each keeps to it.
func TestDriftsBeyondTheBoundAreNotOverseen(t *testing.T) {
	for on, want := range map[string]bool{"a/n1": false, "b": true} {
		s := &story{Stage: &overseen{}, scenario: scenario.Scenario{Faults: []scenario.Fault{
			{Kind: scenario.Clock, On: "a", At: time.Second, Drift: 0.007}, {Kind: scenario.Clock, On: on, At: time.Minute, Drift: 0.007}}}}
		if got := s.oversees(); got != want {
			t.Errorf("a and %s drift: %v", on, got)
		}
	}
}
