package scenario

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func has(s Scenario, what func(Fault) bool) bool { return slices.ContainsFunc(s.Faults, what) }

func crashOf(node string) func(Fault) bool {
	return func(f Fault) bool { return f.Kind == Crash && f.On == node }
}

func partition(f Fault) bool { return f.Kind == Partition }

// minimal says what is left of a file by a way to fail.
type minimal struct {
	file  string
	fails func(Scenario) bool
	want  string
}

func minimals() map[string]minimal {
	return map[string]minimal{
		"a crash and a partition": {"storm.yaml", func(s Scenario) bool { return has(s, crashOf("c/n1")) && has(s, partition) },
			`name: everything at random
seed: 18446744073709551615
duration: 13m
sites:
  - {name: a, nodes: 1}
  - {name: b, nodes: 1}
  - {name: c, nodes: 2}
faults:
  - {at: 5m28.554s, for: 1s, partition: [[c/n9], [a, b]]}
  - {at: 8m, crash: c/n1}
work:
  - {at: 4m, join: {site: c, name: n9}}
`},
		"a deployment": {"all.yaml", func(s Scenario) bool {
			return slices.ContainsFunc(s.Work, func(w Work) bool { return w.Deploy != nil }) && len(s.Eventually) > 0
		}, `name: a cut between two sites
seed: 42
duration: 8m
sites:
  - {name: s1, nodes: 1}
  - {name: s2, nodes: 1, labels: {tier: pos}}
work:
  - {at: 5s, seed: {size: 1KB, from: s1/n0, name: app, version: v1}}
  - {at: 10s, deploy: {name: app, release: app@v1, from: s1/n0, selector: {tier: pos}}}
eventually:
  - {within: 2m, of: heal, check: [ledgers_equal, {all_run: app@v1}]}
`},
		"a check of a release keeps its deployment": {"design.yaml", func(s Scenario) bool {
			return len(s.Eventually) > 0 && slices.ContainsFunc(s.Eventually[0].Checks, func(c Check) bool { return c.Name == "all_run" })
		}, `seed: 42
duration: 8m
sites:
  - {name: s1, nodes: 1}
work:
  - {at: 5s, seed: {size: 1KB, from: s1/n0, name: app, version: v1}}
  - {at: 10s, deploy: {name: app, release: app@v1, from: s1/n0}}
eventually:
  - {within: 2m, of: heal, check: [ledgers_equal, {all_run: app@v1}]}
`},
		"nothing": {"all.yaml", func(Scenario) bool { return true }, `name: a cut between two sites
seed: 42
duration: 5m
sites:
  - {name: s2, nodes: 1, labels: {tier: pos}}
`},
	}
}

func TestMinimize(t *testing.T) {
	for name, c := range minimals() {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := Minimize(load(t, c.file), func(s Scenario) bool { asked++; return c.fails(s) }, 10_000)
			if diff := cmp.Diff(c.want, string(s.Marshal())); diff != "" || asked > 50 {
				t.Errorf("asked %d times: %s", asked, diff)
			}
			roundTrip(t, s, known)
		})
	}
}

// TestMinimizeFindsPlanted plants the need for two of many faults, and for nothing else.
func TestMinimizeFindsPlanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Scenario{Duration: 10 * time.Hour, Sites: []Site{{Name: "a", Nodes: 8}, {Name: "b", Nodes: 2}}}
		n := rapid.IntRange(2, 60).Draw(t, "faults")
		for i := range n {
			s.Faults = append(s.Faults, Fault{At: time.Duration(i) * time.Minute, For: 40 * time.Second, Kind: Isolate, On: "a/n" + string(rune('0'+i%8))})
		}
		one, other := rapid.IntRange(0, n-1).Draw(t, "one"), rapid.IntRange(0, n-1).Draw(t, "other")
		asked := 0
		got := Minimize(s, func(s Scenario) bool {
			asked++
			at := func(i int) bool { return has(s, func(f Fault) bool { return f.At == time.Duration(i)*time.Minute }) }
			return at(one) && at(other)
		}, 1000)
		want := 2
		if one == other {
			want = 1
		}
		if len(got.Faults) != want || asked > 200 {
			t.Fatalf("%d faults are left, after %d questions", len(got.Faults), asked)
		}
		for _, f := range got.Faults {
			if f.For != time.Second {
				t.Fatalf("lasts %v", f.For)
			}
		}
	})
}

func TestMinimizeKeepsToBudget(t *testing.T) {
	s := load(t, "storm.yaml")
	for budget := range 30 {
		asked := 0
		Minimize(s, func(Scenario) bool { asked++; return asked%3 == 0 }, budget)
		if asked > budget {
			t.Errorf("asked %d times of %d", asked, budget)
		}
	}
	if diff := cmp.Diff(s, Minimize(s, func(Scenario) bool { return false }, 1000)); diff != "" {
		t.Errorf("what nothing smaller fails like was changed: %s", diff)
	}
}

func TestShrinkIsValidAndSmaller(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := valid().Draw(t, "story")
		before, n := s.Marshal(), 0
		for c := range s.Shrink() {
			n++
			if wrong := c.problems(known); len(wrong) > 0 {
				t.Fatalf("%v in\n%s\nfrom\n%s", wrong, c.Marshal(), before)
			}
			if weight(c) >= weight(s) {
				t.Fatalf("%s\nis not smaller than\n%s", c.Marshal(), before)
			}
		}
		if string(s.Marshal()) != string(before) {
			t.Fatal("the scenario was changed by making smaller ones")
		}
		if n == 0 {
			t.Fatal("nothing is smaller")
		}
	})
}

// weight is less for a smaller scenario; so Minimize comes to an end.
func weight(s Scenario) float64 {
	w := float64(s.Duration) + 1e15*float64(len(s.Faults)+len(s.Random)+len(s.Work)+len(s.Always)+len(s.Sometimes)+len(s.Eventually)+len(s.Sites))
	for _, f := range s.Faults {
		w += 10 * float64(f.For)
	}
	for _, site := range s.Sites {
		w += 1e13 * float64(site.Nodes)
		if site.LAN != (Link{}) {
			w += 1e13
		}
		if site.Uplink != (Uplink{}) {
			w += 1e13
		}
	}
	for _, work := range s.Work {
		if work.Seed != nil {
			w += 1000 * float64(work.Seed.Size)
			if work.Seed.Places > 1 {
				w += 1e13
			}
			if work.Seed.Repeats > 0 {
				w += 1e13
			}
		}
	}
	for _, b := range []float64{s.Budget.UplinkRatio, s.Budget.BlobRatio, float64(s.Budget.BlobBytes), float64(s.Budget.Makespan)} {
		if b > 0 {
			w += 1e13
		}
	}
	return w
}

func TestShrinkStops(t *testing.T) {
	n := 0
	for range load(t, "all.yaml").Shrink() {
		if n++; n == 5 {
			break
		}
	}
	if n != 5 {
		t.Errorf("%d scenarios", n)
	}
}
