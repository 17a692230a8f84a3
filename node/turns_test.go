package node

import (
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/node/runtime/bundle"
	"selvage/node/sequence"
)

// TestTurnsBesideLocks: a leader whose lease takes one higher token after another, as many locks want it, gives turns all the same.
func TestTurnsBesideLocks(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.quick(bundle.New(bundle.Config{FS: f.founder.fs}))
	ask := func() (epoch uint64, a sequence.Answer, leads bool) {
		return m.turns.answer(ident.NodeID{1}, sequence.Claim{Deployment: "app", Statement: "v2", Max: 1})
	}
	var before uint64
	eventually(t, "it leads", func() bool {
		epoch, a, leads := ask()
		if before = epoch; a.Go {
			t.Fatal("a new leader gives a turn at once")
		}
		return leads
	})
	_, first, _ := m.lead.Since()
	m.turns.mu.Lock()
	m.turns.table.Lead(m.lead.Now() - sequence.Settle + time.Second) // it has led for a while
	m.turns.mu.Unlock()
	if err := m.lead.Renumber(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its token is higher", func() bool { fence, leads := m.lead.Fence(); return leads && fence > before })
	begun := time.Now()
	eventually(t, "it gives a turn", func() bool { _, a, _ := ask(); return a.Go })
	if _, now, _ := m.lead.Since(); now != first {
		t.Skip("this machine was too busy to lead on")
	}
	if took := time.Since(begun); took > sequence.Settle/2 {
		t.Errorf("that took %v", took)
	}
}
