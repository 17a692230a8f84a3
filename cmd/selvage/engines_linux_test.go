package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"selvage/simulator"
)

// agreeWithin is by what share the makespans of a story in virtual time and in network namespaces may differ.
const agreeWithin = 0.15

// TestRealEngines plays one story in virtual time and with real processes, and holds the makespans against each other. A machine
// that is busy with something else makes the second longer: of three tries one has to do.
func TestRealEngines(t *testing.T) {
	if os.Getenv("SELVAGE_LAB") == "" || os.Geteuid() != 0 {
		t.Skip("takes a minute, and root: 'make lab' runs it")
	}
	for range 3 {
		ratio := playBoth(t, "three-sites")
		if ratio <= 1+agreeWithin && ratio >= 1/(1+agreeWithin) {
			return
		}
		t.Logf("the makespans differ by more than %.0f%%", 100*agreeWithin)
	}
	t.Error("in none of three tries were the makespans close to each other")
}

// playBoth plays a scenario with both engines, logs how they compare, and returns the makespan of netns as a share of native's.
func playBoth(t *testing.T, name string) float64 {
	t.Helper()
	cmd := exec.Command("selvage", "sim", "run", "--engine", "native,netns", "-o", "json", filepath.Join("..", "..", "simulator", "scenarios", "netns", name+".yaml"))
	cmd.Env = append(os.Environ(), "TMPDIR="+disks())
	var stderr, table bytes.Buffer
	cmd.Stderr = &stderr
	printed, err := cmd.Output()
	var both struct {
		Runs    []simulator.Result `json:"runs"`
		Compare compared           `json:"compare"`
	}
	if jerr := json.Unmarshal(printed, &both); err != nil || jerr != nil || len(both.Runs) != 2 {
		t.Fatalf("%s: %v, %v: %s", name, err, jerr, stderr.String())
	}
	if err := printCompared(&environment{out: &table}, both.Runs); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s\n%s", name, table.String())
	return both.Compare.Runs[0].Makespan
}
