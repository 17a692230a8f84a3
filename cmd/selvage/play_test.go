package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// TestPlayAll: what one engine made of a scenario is told though the next cannot go on; and so is how far that came, if it began.
func TestPlayAll(t *testing.T) {
	plays := func(name string, nodes int, err error) engine {
		return engine{name, nativeReady, func(context.Context, scenario.Scenario, simulator.Options) (simulator.Result, error) {
			return simulator.Result{Engine: name, Nodes: nodes}, err
		}}
	}
	no := errors.New("no")
	for name, c := range map[string]struct {
		engines []engine
		want    string
	}{
		"halts":  {[]engine{plays("one", 1, nil), plays("two", 1, no)}, "one two"},
		"is not": {[]engine{plays("one", 1, nil), plays("two", 0, no), plays("three", 1, nil)}, "one"},
	} {
		runs, err := new(playing).playAll(t.Context(), &environment{err: new(bytes.Buffer)}, c.engines, scenario.Scenario{}, simulator.Options{}, "")
		var got []string
		for _, r := range runs {
			got = append(got, r.Engine)
		}
		if !errors.Is(err, no) || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %s and %v, want %s", name, got, err, c.want)
		}
		for _, format := range []string{"table", "json"} {
			var out bytes.Buffer
			if err := printRuns(&environment{out: &out, format: format}, runs, true); err != nil || !strings.Contains(out.String(), "one") {
				t.Errorf("%s as %s: %v, %s", name, format, err, out.String())
			}
		}
	}
}

// TestCheckReport: to look whether a report can be written leaves nothing, and takes nothing away.
func TestCheckReport(t *testing.T) {
	p := &playing{report: filepath.Join(t.TempDir(), "out.html")}
	if err := p.checkReport(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.report); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a report before anything was played: %v", err)
	}
	if err := os.WriteFile(p.report, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.checkReport(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(p.report); string(text) != "old" {
		t.Errorf("left %q, %v", text, err)
	}
}
