package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"selvage/internal/disk/osdisk"
	"selvage/simulator"
	"selvage/simulator/native"
	"selvage/simulator/netns"
	"selvage/simulator/netns/lab"
	"selvage/simulator/replay"
	"selvage/simulator/scenario"
)

// engine plays scenarios.
type engine struct {
	name  string
	ready func(scenario.Scenario) error // what keeps it from playing a scenario here, before anything is played
	run   func(context.Context, scenario.Scenario, simulator.Options) (simulator.Result, error)
}

// nativeEngine is what plays where no engine is named.
const nativeEngine = "native"

// engines are all that there are.
func engines() []engine {
	return []engine{{nativeEngine, nativeReady, native.Run}, {"replay", replayReady, runReplay}, {"netns", netns.Check, runNetns}}
}

func engineNames() string {
	var names []string
	for _, e := range engines() {
		names = append(names, e.name)
	}
	return strings.Join(names, ", ")
}

// pickEngines returns the engines of some names.
func pickEngines(names []string) ([]engine, error) {
	var out []engine
	for _, name := range names {
		found := false
		for _, e := range engines() {
			if e.name == name {
				out, found = append(out, e), true
			}
		}
		if !found {
			return nil, usage("--engine %q: want one or more of %s", name, engineNames())
		}
	}
	if len(out) == 0 {
		return nil, usage("--engine: name one at least")
	}
	return out, nil
}

// explain says which engine could not play what, and what to do if that was told.
func (e engine) explain(s scenario.Scenario, err error) error {
	var u *lab.Unable
	switch {
	case errors.As(err, &u):
		return hinted(fmt.Errorf("play %s with %s: %w", nameOf(s), e.name, err), u.Hint)
	case err != nil:
		return fmt.Errorf("play %s: %w", nameOf(s), err)
	}
	return nil
}

// nativeReady keeps nothing from being played: what the file format has, the engine can do.
func nativeReady(scenario.Scenario) error { return nil }

func replayReady(scenario.Scenario) error {
	_, err := replayGuest()
	return err
}

// runNetns plays a scenario with processes of this program.
func runNetns(ctx context.Context, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	exe, err := os.Executable()
	if err != nil {
		return simulator.Result{}, fmt.Errorf("find this program: %w", err)
	}
	open := func(dir string) (netns.Disk, error) { return osdisk.Open(dir) }
	return netns.Run(ctx, netns.Config{Exe: exe, Open: open}, s, o)
}

// runReplay plays a scenario with the simulator in WASM.
func runReplay(ctx context.Context, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	guest, err := replayGuest()
	if err != nil {
		return simulator.Result{}, err
	}
	return replay.Run(ctx, guest, s, o)
}

// replayGuest finds the simulator as a WASM module, beside this program.
func replayGuest() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		return "", err
	}
	file := filepath.Join(filepath.Dir(exe), replay.Guest)
	_, err = os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", hinted(fmt.Errorf("the engine replay needs %s, which is not there", file), "'make build' puts it beside the program")
	}
	return file, err
}
