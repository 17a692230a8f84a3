package native

import (
	"context"
	"strings"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/lease"
	"selvage/node/api"
	"selvage/simulator"
)

// leader is the machine whose node leads; nil if none does.
func (w *world) leader() *machine {
	for _, m := range w.machines {
		if _, ok := m.leads(); ok {
			return m
		}
	}
	return nil
}

// checkTerms wants a node to know so many terms, the last of whom leads, and how each that it saw end did.
func checkTerms(t *testing.T, m *machine, leads ident.NodeID, most int) {
	t.Helper()
	all := m.node().Terms()
	if len(all) != most || all[0].Holder != leads {
		t.Fatalf("%s knows %d terms, the last of %s", m, len(all), all[0].Name)
	}
	ended := map[string]int{}
	for i, term := range all[:most-1] {
		before := all[i+1]
		if term.Epoch <= before.Epoch || !term.Began.After(before.Began) {
			t.Errorf("%s: %+v follows %+v", m, term, before)
		}
		if b := term.Before; b != nil {
			ended[b.Ended]++
			if b.Holder != before.Holder || b.Epoch < before.Epoch || b.Epoch >= term.Epoch {
				t.Errorf("%s: %+v says that it follows %+v, and it was %+v", m, term, b, before)
			}
		}
	}
	if ended[api.TermYielded] != 6 || ended[api.TermExpired] != 6 {
		t.Errorf("%s: they ended so: %v", m, ended)
	}
}

// TestFailOver: what it takes real nodes to lead in the place of one that was killed, and of one that yields.
func TestFailOver(t *testing.T) {
	live(t, fleet(t, 1, 5), func(w *world) {
		first := w.machines[0]
		if took := w.until(time.Minute, func() bool {
			return w.leader() == first && len(first.node().Lead().View().Config.Voters) == 5
		}); took < 0 {
			t.Fatal("after a minute not five vote")
		}
		var crash, yield time.Duration
		for range 6 {
			gone := w.leader()
			gone.kill(false, w.rand)
			took := w.until(20*time.Second, func() bool { return w.leader() != nil })
			if took < 0 || took > 13*time.Second {
				t.Errorf("another leads after %v", took)
			}
			crash = max(crash, took)
			gone.reboot()
			time.Sleep(40 * time.Second)
			begin := time.Now()
			if err := w.leader().node().Lead().Yield(context.Background()); err != nil {
				t.Error(err)
			}
			for w.leader() == nil {
				time.Sleep(time.Millisecond)
			}
			yield = max(yield, time.Since(begin))
			time.Sleep(20 * time.Second)
		}
		if yield > time.Second {
			t.Errorf("yielded in %v", yield)
		}
		if w.Misled() != "" {
			t.Error(w.Misled())
		}
		for _, m := range w.machines {
			checkTerms(t, m, w.leader().ID(), 13)
		}
		t.Logf("the slowest of six: fail-over after %.1f s, yield in %v", crash.Seconds(), yield)
	})
}

// TestRenewals: what the lease costs real nodes while nothing happens.
func TestRenewals(t *testing.T) {
	window := simulator.Span{From: time.Minute, To: 4 * time.Minute}
	r, err := Run(t.Context(), parse(t, "duration: 4m\nsites: [{name: a, nodes: 5}]\n"), simulator.Options{Window: window})
	if err != nil || !r.OK {
		t.Fatalf("%v, %+v", err, r.Checks)
	}
	asked := 0
	for _, e := range r.Events {
		if e.What == "mesh: stream" && strings.Contains(e.Text, "/selvage/lease/1") {
			asked++
		}
	}
	rounds := float64(window.To-window.From) / float64(lease.Defaults().Renew)
	messages := 2 * float64(asked) / rounds / 5 // a question and its answer
	if messages == 0 || messages > 4 || r.DebugLeftOut > 0 {
		t.Errorf("%.2f messages a voter and renewal", messages)
	}
	t.Logf("%.2f messages a voter and renewal", messages)
}

// TestRenewalsWriteNothing: while one node leads on, no voter's record is written.
func TestRenewalsWriteNothing(t *testing.T) {
	live(t, fleet(t, 1, 5), func(w *world) {
		time.Sleep(time.Minute)
		written := func() (at []time.Time) {
			for _, m := range w.machines {
				info, err := m.Disk().Stat("lease")
				if err != nil {
					t.Fatal(err)
				}
				at = append(at, info.ModTime())
			}
			return at
		}
		before := written()
		time.Sleep(10 * time.Minute)
		for i, at := range written() {
			if !at.Equal(before[i]) || at.IsZero() {
				t.Errorf("%s has written at %v, after %v", w.machines[i], at, before[i])
			}
		}
	})
}
