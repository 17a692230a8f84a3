package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"selvage/simulator"
	"selvage/simulator/replay"
	"selvage/simulator/scenario"
)

// What can play a scenario.
const (
	native   = "native"
	replayed = "replay"
)

var engines = []string{native, replayed}

// play plays a scenario to its end.
type play func(context.Context, scenario.Scenario, func(simulator.Progress)) (simulator.Result, error)

func playerOf(engine string) (play, error) {
	switch engine {
	case native:
		return simulator.Run, nil
	case replayed:
		guest, err := replayGuest()
		return func(ctx context.Context, s scenario.Scenario, progress func(simulator.Progress)) (simulator.Result, error) {
			return replay.Run(ctx, guest, s, progress)
		}, err
	}
	return nil, usage("--engine %q: want %s", engine, strings.Join(engines, " or "))
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
