package main

import (
	"bytes"
	"strings"
	"testing"

	"selvage/simulator"
)

// TestCompare: runs are set side by side, in a table and in JSON.
func TestCompare(t *testing.T) {
	run := func(engine string, makespan float64, down int64) simulator.Result {
		return simulator.Result{Engine: engine, MakespanSeconds: makespan, Uplinks: []simulator.Uplink{{Site: "hq", DownBytes: down}}}
	}
	runs := []simulator.Result{run("native", 10, 1000), run("netns", 11, 1500), run("other", 5, 0)}
	var out, json bytes.Buffer
	if err := printCompared(&environment{out: &out}, runs); err != nil {
		t.Fatal(err)
	}
	want := "FIGURE    native  netns   RATIO  other  RATIO\n" +
		"makespan  10.0 s  11.0 s  1.10   5.0 s  0.50\n" +
		"hq down   1000 B  1.5 KiB 1.50   0 B    0.00\n"
	if got := strings.Join(strings.Fields(out.String()), " "); !strings.HasPrefix(got, strings.Join(strings.Fields(want), " ")) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if err := printRuns(&environment{out: &json, format: "json"}, runs, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"runs": [`, `"against": "native"`, `"makespan_ratio": 1.1`, `"down_ratio": 1.5`, `"up_ratio": 0`} {
		if !strings.Contains(json.String(), want) {
			t.Errorf("there is no %s in %s", want, json.String())
		}
	}
}
