package lease

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// models are the worlds that are explored to their end.
func models() []model {
	drift := []time.Duration{slow, fast, fast, fast}
	return []model{
		{name: "two voters", nodes: 2, voters: 2, proposers: []int{0, 1}, rates: drift, ticks: 3, counter: 2, rounds: 2, crashes: 1},
		{name: "three voters", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: drift, ticks: 2, counter: 2, rounds: 1, quiet: true},
		{name: "three proposers", nodes: 3, voters: 3, proposers: []int{0, 1, 2}, rates: drift, ticks: 0, counter: 2, rounds: 1, quiet: true},
		{name: "renewals", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 3, counter: 1, rounds: 2, quiet: true},
		{name: "a restart", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 1, rounds: 1, crashes: 1, quiet: true},
		{name: "a release", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 1, yields: 1, quiet: true},
		{name: "a disk put back", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: []time.Duration{fast, fast, fast}, ticks: 3, counter: 1, rounds: 1,
			crashes: 1, rollback: true, crashable: []int{0}, quiet: true},
		{name: "four voters", nodes: 4, voters: 4, proposers: []int{0, 2}, rates: drift, ticks: 0, counter: 1, rounds: 1, quiet: true},
		{name: "a newcomer", nodes: 3, voters: 2, proposers: []int{0, 1}, rates: drift, ticks: 0, counter: 2, rounds: 3, changes: [][]int{{0, 1, 2}}, quiet: true},
		{name: "a change", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 0, counter: 2, rounds: 2, yields: 1,
			changes: [][]int{{0, 1}}, quiet: true},
		{name: "other changes", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 2,
			changes: [][]int{{0, 1}, {1, 2}}, quiet: true},
		{name: "two changes", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: drift, ticks: 1, counter: 3, rounds: 2, changes: [][]int{{0, 1}, {0}}, quiet: true},
		{name: "two voters go", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 2, changes: [][]int{{0}}, quiet: true},
	}
}

// deeper are worlds that take minutes, for 'make soak'.
func deeper() []model {
	drift := []time.Duration{slow, fast, fast, fast}
	return []model{
		{name: "two voters, deep", nodes: 2, voters: 2, proposers: []int{0, 1}, rates: drift, ticks: 4, counter: 3, rounds: 2, crashes: 1},
		{name: "the fast one leads", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: []time.Duration{fast, slow, exact}, ticks: 3, counter: 2, rounds: 1},
		{name: "three voters, deep", nodes: 3, voters: 3, proposers: []int{0, 1}, rates: drift, ticks: 4, counter: 2, rounds: 2, quiet: true},
		{name: "three voters and refusals", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 1, crashes: 1},
		{name: "three proposers, deep", nodes: 3, voters: 3, proposers: []int{0, 1, 2}, rates: drift, ticks: 2, counter: 1, rounds: 1, crashes: 1, quiet: true},
		{name: "a newcomer, deep", nodes: 3, voters: 2, proposers: []int{0, 1}, rates: drift, ticks: 2, counter: 2, rounds: 3, crashes: 1,
			changes: [][]int{{0, 1, 2}}, quiet: true},
		{name: "a change and a restart", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: drift, ticks: 2, counter: 2, rounds: 2, crashes: 1,
			changes: [][]int{{0, 1}}, quiet: true},
	}
}

const (
	most       = 1_000_000 // states of a model
	mostDeeper = 2_000_000 // of a deep one
)

// deep reports whether the worlds that take minutes are to be explored too.
func deep() bool { return os.Getenv("SELVAGE_DEEP") != "" }

// TestModels explores the worlds: nothing breaks in any of them, whatever gets lost, comes twice or late. A deep one
// may be left before its end, and says so.
func TestModels(t *testing.T) {
	t.Parallel()
	only := os.Getenv("SELVAGE_MODEL")
	all, limit := models(), most
	if deep() {
		all, limit = append(all, deeper()...), mostDeeper
	}
	states := 0
	for _, m := range all {
		if only != "" && m.name != only {
			continue
		}
		begin := time.Now()
		v := newChecker(m, limit).run()
		states += v.states
		t.Logf("%s: %d states, whole %v, %v", m.name, v.states, v.whole, time.Since(begin).Round(time.Millisecond))
		if v.broken != "" || !v.whole && !deep() {
			t.Errorf("%s: %v", m.name, v)
		}
	}
	fmt.Println("states explored:", states)
}

// TestReduction: that a world stands for those with fewer messages loses none of what machines can come to.
func TestReduction(t *testing.T) {
	for _, m := range []model{
		{name: "votes", nodes: 3, voters: 3, proposers: []int{0, 2}, rates: []time.Duration{slow, fast, fast}, counter: 1, rounds: 1},
		{name: "times", nodes: 2, voters: 2, proposers: []int{0, 1}, rates: []time.Duration{slow, fast}, ticks: 1, counter: 2, rounds: 1, crashes: 1},
	} {
		reduced, plain := newChecker(m, most), newChecker(m, most)
		plain.plain, plain.seed = true, reduced.seed
		if v := reduced.run(); !v.whole {
			t.Fatal(v)
		}
		if v := plain.run(); !v.whole {
			t.Fatal(v)
		}
		if a, b := len(reduced.seen), len(plain.seen); a != b || a == 0 {
			t.Errorf("%s: machines come to %d combinations, and to %d without the reduction", m.name, a, b)
		}
		t.Logf("%s: %d combinations of machines in %d states, %d without the reduction", m.name, len(reduced.seen), reduced.states, plain.states)
	}
}

// broke is what the checker says when it has found something; to come to its limit is no finding.
var broke = regexp.MustCompile(`lead at once|a token below|two sets of voters|alarm:`)

// TestMutants has each mutant found in its world. They are compiled into a test binary of their own.
func TestMutants(t *testing.T) {
	if os.Getenv("SELVAGE_MUTANT") != "" {
		t.Skip("this is a mutant")
	}
	t.Parallel()
	exe := filepath.Join(t.TempDir(), "lease.test")
	if out, err := exec.Command("go", "test", "-c", "-tags", "mutants", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the mutants: %v\n%s", err, out)
	}
	killed, unsafe := 0, 0
	for i, m := range mutant.Lease() {
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
		if err == nil || !broke.MatchString(why) {
			t.Errorf("%s survives: %s", m.Name, why)
			continue
		}
		killed++
		if i < 6 { // those that DESIGN.md names
			unsafe++
		}
		t.Logf("%s killed in %v: %s", m.Name, time.Since(begin).Round(time.Millisecond), why)
	}
	fmt.Printf("mutants killed: %d of 6 variants known to be unsafe, %d of %d in all\n", unsafe, killed, len(mutant.Lease()))
}
