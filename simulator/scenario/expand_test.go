package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestExpandForEver pins what is drawn: a seed that somebody wrote down has to give the same story in years.
func TestExpandForEver(t *testing.T) {
	file := filepath.Join("testdata", "storm.golden")
	got := load(t, "storm.yaml").Expand().Marshal()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestExpandIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := valid().Draw(t, "story")
		e := s.Expand()
		if wrong := e.problems(known); len(wrong) > 0 {
			t.Fatalf("%v in\n%s", wrong, e.Marshal())
		}
		if len(e.Random) > 0 || len(e.Faults) < len(s.Faults) {
			t.Fatalf("%d faults and %d random became %d and %d", len(s.Faults), len(s.Random), len(e.Faults), len(e.Random))
		}
		var healed time.Duration
		for _, r := range s.Random {
			healed = max(healed, r.Before+r.MaxFor)
		}
		for _, f := range e.Faults {
			if f.Line == 0 && !said(s, f) && (f.For == 0 || f.At+f.For > healed) {
				t.Fatalf("%+v is not over at %v", f, healed)
			}
		}
		if diff := cmp.Diff(e, s.Expand()); diff != "" {
			t.Fatalf("drawn again: %s", diff)
		}
	})
}

// said reports whether a fault was not drawn.
func said(s Scenario, f Fault) bool {
	for _, other := range s.Faults {
		if cmp.Equal(f, other) {
			return true
		}
	}
	return false
}

func TestExpandDrawsAll(t *testing.T) {
	kinds := map[FaultKind]int{}
	s := load(t, "storm.yaml")
	for s.Seed = range 20 {
		for _, f := range s.Expand().Faults {
			kinds[f.Kind]++
		}
	}
	for _, k := range drawable {
		if kinds[k] < 10 {
			t.Errorf("%d of %s", kinds[k], k)
		}
	}
	t.Log(kinds)
}

// TestManualSaysWhatNodesAreDrawn: the manual names the kinds for which a site stands for one of its nodes.
func TestManualSaysWhatNodesAreDrawn(t *testing.T) {
	doc := ""
	for _, f := range randomFields().fields {
		if f.name == "on" {
			doc = f.doc
		}
	}
	for _, k := range drawable {
		if k == Partition || k == Cut {
			continue // these part places
		}
		r := Random{Every: time.Second, Before: time.Minute, Kinds: []FaultKind{k}, On: []string{"a"}, MinFor: time.Second, MaxFor: time.Second}
		s := Scenario{Seed: 3, Duration: time.Hour, Sites: []Site{{Name: "a", Nodes: 3}}, Random: []Random{r}}
		node := strings.Contains(s.Expand().Faults[0].On, "/")
		if says := strings.Contains(doc, string(k)); says != node {
			t.Errorf("%s is of one node: %t; the manual says %t", k, node, says)
		}
	}
}

func TestExpandDependsOnSeed(t *testing.T) {
	a, b := load(t, "storm.yaml"), load(t, "storm.yaml")
	b.Seed--
	if cmp.Equal(a.Expand().Faults, b.Expand().Faults) {
		t.Error("two seeds drew the same faults")
	}
	if n := len(a.Expand().Faults); n < 20 {
		t.Errorf("a storm of %d faults", n)
	}
}

// TestExpandKeepsStreamsApart: one more Random does not change what the first draws, where they do not meet.
func TestExpandKeepsStreamsApart(t *testing.T) {
	first := Random{Every: 10 * time.Second, Before: time.Minute, Kinds: []FaultKind{Isolate}, On: []string{"a"}, MinFor: time.Second, MaxFor: time.Second}
	second := first
	second.On = []string{"b"}
	s := Scenario{Seed: 3, Duration: time.Hour, Sites: []Site{{Name: "a", Nodes: 1}, {Name: "b", Nodes: 1}}, Random: []Random{first}}
	alone := s.Expand().Faults
	s.Random = append(s.Random, second)
	for _, f := range alone {
		if !said(s.Expand(), f) {
			t.Errorf("%+v is gone", f)
		}
	}
}

func TestExpandIsBounded(t *testing.T) {
	r := Random{Every: time.Millisecond, Before: MaxFaults / 2 * time.Millisecond, Kinds: []FaultKind{Crash}, MinFor: time.Millisecond, MaxFor: time.Millisecond}
	s := Scenario{Duration: time.Hour, Sites: []Site{{Name: "a", Nodes: 100}}, Random: []Random{r, r, r, r}}
	if wrong := s.problems(nil); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	if n := len(s.Expand().Faults); n > MaxFaults || n < MaxFaults/2 {
		t.Errorf("%d faults", n)
	}
}

// TestExpandSparesWork: where somebody works nothing is drawn that keeps the node from doing it.
func TestExpandSparesWork(t *testing.T) {
	for _, kind := range []FaultKind{Crash, PowerCut, Restore, Pause, Suspend, DiskFull} {
		r := Random{Every: time.Second, Before: time.Minute, Kinds: []FaultKind{kind}, MinFor: time.Second, MaxFor: 10 * time.Second}
		works := []Work{{Seed: &Seed{From: "a/n0"}}, {Deploy: &Deploy{From: "a/n0"}}, {Charter: &Charter{From: "a/n0"}}, {Revoke: &Revoke{From: "a/n0"}},
			{Witness: &Witness{From: "a/n0"}}, {Issuer: &Issuer{From: "a/n0"}}, {Mirror: &Mirror{Of: "a/n0"}}}
		for i := range works {
			works[i].At = time.Duration(i+1) * 7 * time.Second
		}
		s := Scenario{Duration: time.Hour, Sites: []Site{{Name: "a", Nodes: 1}}, Random: []Random{r}, Work: works}
		for s.Seed = range 5 {
			faults := s.Expand().Faults
			if len(faults) == 0 {
				t.Errorf("%s, seed %d: nothing was drawn", kind, s.Seed)
			}
			for _, f := range faults {
				for _, w := range works {
					if f.At <= w.At && w.At <= f.At+f.For {
						t.Errorf("seed %d: %s from %s for %s, and somebody works there at %s", s.Seed, kind, f.At, f.For, w.At)
					}
				}
			}
		}
	}
}
