package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"selvage/simulator/scenario"
)

// standIn is a program that plays no story: it runs a line of shell for each, with the seed as $7.
func standIn(t *testing.T, line string) *player {
	exe := filepath.Join(t.TempDir(), "stand-in")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\n"+line+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &player{exe: exe, engine: "native", limit: time.Minute}
}

// TestSweepThatIsInterrupted: what was played until then is not lost, and what was not is not counted.
func TestSweepThatIsInterrupted(t *testing.T) {
	begun := filepath.Join(t.TempDir(), "begun")
	if err := syscall.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = os.ReadFile(begun) // it waits for the second story
		cancel()
	}()
	var out, errs bytes.Buffer
	env := &environment{out: &out, err: &errs, format: "table"}
	p := standIn(t, `[ $7 = 1 ] && exit 1; echo > `+begun+`; exec sleep 1000`)
	err := p.sweepAll(ctx, env, sweepOptions{seeds: 3, from: 1, jobs: 1}, []story{{file: "a.yaml"}, {file: "b.yaml"}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if lines := strings.Fields(out.String()); !slices.Contains(lines, "a.yaml") || slices.Contains(lines, "b.yaml") || !strings.Contains(out.String(), "a.yaml, seed 1: ") {
		t.Errorf("%s", out.String())
	}
}

// TestShrinkThatIsInterrupted: a scenario that is not the smallest yet is not written down as that.
func TestShrinkThatIsInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env := &environment{out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	name, err := standIn(t, "exit 1").shrink(ctx, env, scenario.Scenario{}, swept{Scenario: "a.yaml", Failed: []failing{{Seed: 1}}})
	if left, _ := filepath.Glob("*"); !errors.Is(err, context.Canceled) || name != "" || len(left) > 0 {
		t.Errorf("%q, %v, files %q", name, err, left)
	}
}

// TestSmallestSaysItsEngine: what is said of playing a story again names the engine with which it failed.
func TestSmallestSaysItsEngine(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	env := &environment{out: &out, err: &errs, format: "table"}
	for engine, again := range map[string]string{"native": "run a-seed1.yaml --trace'", "netns": "run a-seed1.yaml --engine netns --trace'"} {
		p := standIn(t, "exit 1")
		p.engine = engine
		err := p.sweepAll(t.Context(), env, sweepOptions{seeds: 1, from: 1, jobs: 1, shrink: true}, []story{{"a.yaml", scenario.Scenario{}}})
		text, rerr := os.ReadFile("a-seed1.yaml")
		if rerr != nil || !strings.Contains(string(text), again) {
			t.Errorf("%s: %v, %s", engine, rerr, text)
		}
		var f *failure
		if named := "--engine " + engine; !errors.As(err, &f) || strings.Contains(f.hint, named) != (engine != "native") {
			t.Errorf("%s: %v, %+v", engine, err, f)
		}
		if err := os.Remove("a-seed1.yaml"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSmallestThatFailsOnce: a scenario that was seen to fail once, and not again, is not said to fail.
func TestSmallestThatFailsOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	env := &environment{out: &bytes.Buffer{}, err: &bytes.Buffer{}, format: "table"}
	whole := scenario.Scenario{Sites: []scenario.Site{{Name: "a", Nodes: 2}}, Duration: time.Minute}
	for line, want := range map[string]string{
		`mkdir once 2>/dev/null && exit 1; exit 0`: "it did not fail when it was played again",
		`exit 1`: "it fails in the same way",
		`case $3 in *shrink*) grep -q "nodes: 1" $3 && exit 0;; esac; exit 1`: "it fails in the same way",
	} {
		if err := standIn(t, line).sweepAll(t.Context(), env, sweepOptions{seeds: 1, from: 1, jobs: 1, shrink: true}, []story{{"a.yaml", whole}}); err == nil {
			t.Error("nothing failed")
		}
		text, err := os.ReadFile("a-seed1.yaml")
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, %s", line, err, text)
		}
		if err := os.Remove("a-seed1.yaml"); err != nil {
			t.Fatal(err)
		}
	}
}
