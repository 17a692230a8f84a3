package simulator

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"selvage/node/api"
	"selvage/simulator/scenario"
)

// restless is a stage where something changes a moment after each look. It notes when faults begin and end.
type restless struct {
	stage
	trace  *Trace
	played []string
}

func (r *restless) Found() error                { return nil }
func (r *restless) Close() error                { return nil }
func (r *restless) Settle()                     {}
func (r *restless) Traffic(string) (_, _ int64) { return 0, 0 }

func (r *restless) Changed() <-chan struct{} {
	changed := make(chan struct{})
	time.AfterFunc(13*time.Millisecond, func() { close(changed) })
	return changed
}

func (r *restless) Begin(f scenario.Fault) (func() error, error) {
	r.note(f.On)
	return func() error { r.note(f.On + " ends"); return nil }, nil
}

func (r *restless) note(what string) {
	r.played = append(r.played, fmt.Sprintf("%s at %s", what, r.trace.Now()))
}

// TestFaultsComeInTime: faults begin and end at their moments, however short they are and whatever else goes on.
func TestFaultsComeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &restless{trace: NewTrace()}
		s, want := scenario.Scenario{Duration: time.Minute}, []string(nil)
		for i := range 30 {
			f := scenario.Fault{Kind: scenario.Isolate, On: fmt.Sprint("f", i), At: time.Second + time.Duration(i)*137*time.Millisecond, For: 20 * time.Millisecond}
			s.Faults = append(s.Faults, f)
			want = append(want, fmt.Sprintf("%s at %s", f.On, f.At), fmt.Sprintf("%s ends at %s", f.On, f.At+f.For))
		}
		if _, err := Tell(context.Background(), s, r, r.trace, Options{}); err != nil || !slices.Equal(r.played, want) {
			t.Errorf("%v, played\n%q, want\n%q", err, r.played, want)
		}
	})
}

// slow is a stage that takes a while to settle, as one does whose time is real.
type slow struct{ *restless }

func (s slow) Settle() { time.Sleep(7 * time.Millisecond) }

// TestDeadlinesAreLookedAt: what holds at the end of its time has come about, though the look be a little late.
func TestDeadlinesAreLookedAt(t *testing.T) {
	late := &outcome{kind: "eventually", from: time.Second, until: 2 * time.Second}
	for _, c := range []struct {
		now  time.Duration
		busy bool
		want bool
	}{
		{900 * time.Millisecond, false, false},
		{time.Second, true, false},
		{1500 * time.Millisecond, false, true},
		{2007 * time.Millisecond, true, true},
		{2008 * time.Millisecond, false, false}, // it was looked at
	} {
		if got := late.due(c.now, lookEvery, c.busy); got != c.want {
			t.Errorf("at %s: %v", c.now, got)
		}
	}
	if over := (&outcome{until: time.Second}); over.due(2*time.Second, lookEvery, false) {
		t.Error("looked at a second late")
	}
	synctest.Test(t, func(t *testing.T) {
		r := &restless{trace: NewTrace()}
		up := &machine{name: "n0"}
		r.machines = []*machine{up}
		time.AfterFunc(1980*time.Millisecond, func() { up.agent = &agent{} })
		s := scenario.Scenario{Duration: time.Minute, Eventually: []scenario.Eventually{
			{Of: "start", Within: 2 * time.Second, Checks: []scenario.Check{{Name: "all_up"}}}}}
		if res, err := Tell(context.Background(), s, slow{r}, r.trace, Options{}); err != nil || !res.OK {
			t.Errorf("%v, %+v", err, res.Checks)
		}
	})
}

// TestAllAtOnce: what an entry wants has to hold at one moment, not each at its own.
func TestAllAtOnce(t *testing.T) {
	s, n0, n1 := pair()
	s.scenario = scenario.Scenario{Duration: time.Hour, Eventually: []scenario.Eventually{
		{Of: "start", Within: time.Minute, Checks: []scenario.Check{{Name: "all_up"}, {Name: "ledgers_equal"}}}}}
	s.planChecks()
	up, equal := s.checks[0], s.checks[1]
	n0.agent.status.Ledger, n1.agent.status.Ledger = "a", "b"
	if !s.look(time.Second) || up.held || equal.held || up.last == "" {
		t.Errorf("one held without the other: %+v, %+v", up, equal)
	}
	was := n1.agent
	n1.agent = nil // now the ledgers of those that are up are equal
	if !s.look(2*time.Second) || up.held || equal.held {
		t.Errorf("they held at two moments: %+v, %+v", up, equal)
	}
	n1.agent = was
	n1.agent.status.Ledger = "a"
	if s.look(3*time.Second) || !up.held || !equal.held || up.at != 3*time.Second || equal.at != up.at {
		t.Errorf("both hold, and do not count: %+v, %+v", up, equal)
	}
	n1.agent.status.Ledger = "b"
	s.checks = nil
	s.planChecks()
	s.look(time.Minute)
	if up, equal := s.checks[0], s.checks[1]; !up.held || equal.held || !s.broken(time.Minute) {
		t.Errorf("in the end: %+v, %+v", up, equal)
	}
}

// TestNothingComesAboutOfNobody: what has to come about has not while all nodes are down, and there is nobody of whom it could hold.
func TestNothingComesAboutOfNobody(t *testing.T) {
	s, n0, n1 := pair()
	names := []string{"ledgers_equal", "all_know_all", "all_have_charter", "no_corrupt_blob"}
	s.scenario = scenario.Scenario{Duration: time.Hour}
	for _, name := range names {
		c := []scenario.Check{{Name: name}}
		s.scenario.Sometimes = append(s.scenario.Sometimes, c[0])
		s.scenario.Eventually = append(s.scenario.Eventually, scenario.Eventually{Of: "start", Within: time.Minute, Checks: c})
	}
	s.planChecks()
	was0, was1 := n0.agent, n1.agent
	n0.agent, n1.agent = nil, nil
	s.look(time.Second)
	for _, c := range s.checks {
		if c.held || c.last == "" {
			t.Errorf("%s %s held of nobody: %q", c.kind, c.check.Name, c.last)
		}
	}
	n0.agent, n1.agent = was0, was1
	for _, a := range []*agent{was0, was1} {
		a.status.Charter, a.nodes = 1, []api.Node{{Node: n0.ID()}, {Node: n1.ID()}}
	}
	s.look(2 * time.Second)
	for _, c := range s.checks {
		if !c.held {
			t.Errorf("%s %s: %s", c.kind, c.check.Name, c.last)
		}
	}
}

// TestWorkSaysWhere: work that cannot be done says which it was.
func TestWorkSaysWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &restless{trace: NewTrace()}
		r.machines = []*machine{{name: "n0"}}
		s := scenario.Scenario{Duration: time.Minute, Work: []scenario.Work{{Line: 7, At: time.Second, Seed: &scenario.Seed{From: "s/n0", Name: "till", Version: "v1"}}}}
		if _, err := Tell(context.Background(), s, r, r.trace, Options{}); err == nil || err.Error() != "at 1s: line 7: seed till@v1: node s/n0 is down" {
			t.Error(err)
		}
	})
}
