package main

import (
	"testing"

	"selvage/simulator"
	"selvage/simulator/scenario"
	"selvage/simulator/scenarios"
)

// TestHunts: every mutant has a scenario, and that one is shipped and can be read.
func TestHunts(t *testing.T) {
	for _, m := range prey() {
		file := hunts()[m.Name] + scenarioSuffix
		data, err := scenarios.Read(file)
		if err == nil {
			_, err = scenario.Parse(file, data, simulator.Invariants())
		}
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	if len(hunts()) != len(prey()) {
		t.Errorf("%d hunts for %d mutants", len(hunts()), len(prey()))
	}
}
