package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"selvage/internal/disk/osdisk"
	"selvage/simulator"
	"selvage/simulator/native"
	"selvage/simulator/netns"
	"selvage/simulator/scenario"
)

// engine plays scenarios.
type engine struct {
	name string
	run  func(context.Context, scenario.Scenario, func(simulator.Progress)) (simulator.Result, error)
}

// engines are all that there are.
func engines() []engine {
	return []engine{{"native", native.Run}, {"netns", runNetns}}
}

// pickEngines returns the engines of some names.
func pickEngines(names []string) ([]engine, error) {
	var out []engine
	for _, name := range names {
		found := false
		var known []string
		for _, e := range engines() {
			known = append(known, e.name)
			if e.name == name {
				out, found = append(out, e), true
			}
		}
		if !found {
			return nil, usage("--engine %q: want one or more of %s", name, strings.Join(known, ", "))
		}
	}
	if len(out) == 0 {
		return nil, usage("--engine: name one at least")
	}
	return out, nil
}

// runNetns plays a scenario with processes of this program.
func runNetns(ctx context.Context, s scenario.Scenario, progress func(simulator.Progress)) (simulator.Result, error) {
	exe, err := os.Executable()
	if err != nil {
		return simulator.Result{}, fmt.Errorf("find this program: %w", err)
	}
	open := func(dir string) (netns.Disk, error) { return osdisk.Open(dir) }
	return netns.Run(ctx, netns.Config{Exe: exe, Open: open}, s, progress)
}
