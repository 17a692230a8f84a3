//go:build !linux

package netns

import (
	"context"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

// Check returns why a scenario cannot be played here.
func Check(scenario.Scenario) error {
	return &lab.Unable{What: "play a scenario in network namespaces", Lacks: "this is not Linux", Hint: "play it with --engine native"}
}

// Run plays a scenario; not here.
func Run(_ context.Context, _ Config, s scenario.Scenario, _ simulator.Options) (simulator.Result, error) {
	return simulator.Result{}, Check(s)
}
