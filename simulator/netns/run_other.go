//go:build !linux

package netns

import (
	"context"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

// Run plays a scenario; not here.
func Run(context.Context, Config, scenario.Scenario, simulator.Options) (simulator.Result, error) {
	return simulator.Result{}, &lab.Unable{What: "play a scenario in network namespaces", Lacks: "this is not Linux", Hint: "play it with --engine native"}
}
