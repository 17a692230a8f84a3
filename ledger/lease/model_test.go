package lease

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"selvage/internal/mutant"
)

// hunted names the world in which each mutant has to be found, and what has to break.
var hunted = map[mutant.Name]string{
	mutant.LeaseTimerAtQuorum:   "renewals",
	mutant.LeaseOverwriteLive:   "three voters",
	mutant.LeaseCountMessages:   "four voters",
	mutant.LeaseReleaseByOwner:  "a release",
	mutant.LeaseNoIncarnation:   "a disk put back",
	mutant.LeaseShortQuarantine: "a restart",
	mutant.LeaseTwoVotersAtOnce: "two voters go",
	mutant.LeaseChangeUnagreed:  "other changes",
	mutant.LeaseForgetPending:   "other changes",
	mutant.LeaseStaleEpoch:      "a change",
	mutant.LeaseStaleRound:      "renewals",
	mutant.LeaseForgetPromise:   "a restart",
}

// models are the worlds that are explored to their end. Those that are deep take minutes and gigabytes.
func models() []model {
	drift := []time.Duration{slow, fast, fast, fast}
	return []model{
		{name: "two voters", nodes: 2, voters: 2, proposers: []int{0, 1}, rates: drift, ticks: 3, counter: 3, rounds: 2, crashes: 1},
		{name: "three voters", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: drift, ticks: 3, counter: 2, rounds: 1, quiet: true},
		{name: "three proposers", nodes: 3, voters: 3, proposers: []int{0, 1, 2}, rates: drift, ticks: 0, counter: 2, rounds: 1, quiet: true},
		{name: "renewals", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 3, counter: 1, rounds: 2, quiet: true},
		{name: "a restart", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 1, rounds: 1, crashes: 1, quiet: true},
		{name: "a release", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 1, yields: 1, quiet: true},
		{name: "a disk put back", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: []time.Duration{fast, fast, fast}, ticks: 3, counter: 1, rounds: 1, crashes: 1, rollback: true, crashable: []int{0}, quiet: true},
		{name: "four voters", nodes: 4, voters: 4, proposers: []int{0, 2}, rates: drift, ticks: 0, counter: 1, rounds: 1, quiet: true},
		{name: "a newcomer", nodes: 3, voters: 2, proposers: []int{0, 1}, rates: drift, ticks: 0, counter: 2, rounds: 3, yields: 1, changes: [][]int{{0, 1, 2}}, quiet: true},
		{name: "a change", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 0, counter: 2, rounds: 2, yields: 1, changes: [][]int{{0, 1}}, quiet: true},
		{name: "other changes", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 2, changes: [][]int{{0, 1}, {1, 2}}, quiet: true},
		{name: "two changes", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: drift, ticks: 1, counter: 3, rounds: 2, changes: [][]int{{0, 1}, {0}}, quiet: true},
		{name: "two voters go", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 2, changes: [][]int{{0}}, quiet: true},
	}
}

// TestModels explores the worlds: nothing breaks in any of them, whatever gets lost, comes twice or late.
func TestModels(t *testing.T) {
	only := os.Getenv("SELVAGE_MODEL")
	for _, m := range models() {
		if only != "" && m.name != only {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			begin := time.Now()
			v := newChecker(m, 1_500_000).run()
			t.Logf("%d states, whole %v, %v", v.states, v.whole, time.Since(begin).Round(time.Millisecond))
			if v.broken != "" {
				t.Error(v)
			}
		})
	}
}

// TestMutants has each mutant found in its world. They are compiled into a test binary of their own.
func TestMutants(t *testing.T) {
	if os.Getenv("SELVAGE_MUTANT") != "" {
		t.Skip("this is a mutant")
	}
	exe := filepath.Join(t.TempDir(), "lease.test")
	if out, err := exec.Command("go", "test", "-c", "-tags", "mutants", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the mutants: %v\n%s", err, out)
	}
	killed := 0
	for _, m := range mutant.Lease() {
		cmd := exec.Command(exe, "-test.run", "^TestModels$", "-test.v")
		cmd.Env = append(os.Environ(), "SELVAGE_MUTANT="+string(m.Name), "SELVAGE_MODEL="+hunted[m.Name])
		begin := time.Now()
		out, err := cmd.CombinedOutput()
		why := ""
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "states, whole") {
				why = strings.TrimSpace(line)
			}
		}
		if err == nil {
			t.Errorf("%s survives: %s", m.Name, why)
			continue
		}
		killed++
		t.Logf("%s killed in %v: %s", m.Name, time.Since(begin).Round(time.Millisecond), why)
	}
	fmt.Println("mutants killed:", killed, "of", len(mutant.Lease()))
}
