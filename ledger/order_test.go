package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"selvage/ledger"
)

// shuffled returns the records in any order, some of them more than once.
func shuffled(rt *rapid.T, records []ledger.Record) []ledger.Record {
	order := make([]int, len(records))
	for i := range order {
		order[i] = i
	}
	order = rapid.Permutation(order).Draw(rt, "order")
	order = append(order, rapid.SliceOfN(rapid.IntRange(0, len(records)-1), 0, 10).Draw(rt, "duplicates")...)
	var all []ledger.Record
	for _, i := range order {
		all = append(all, records[i])
	}
	return all
}

func equalViews(t *testing.T, rt *rapid.T, want, got view, what string) {
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("%s: views differ (-want +got):\n%s", what, diff)
	}
}

// TestOrder: the view depends on the set of entries, not on the order, the batches or the
// duplicates in which they come; nor, once what was lost with the waiting room has come again, on
// restarts. Forks of register feeds are left out: see the limits in the package comment.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := draw(t, rt, []ledger.Lane{ledger.Durable, ledger.Urgent}, "s1", "s2")
		straight := p.machine()
		straight.feed(rt, p.records, false)
		want := viewOf(t, straight.Ledger, "s1", "s2")

		other := p.machine()
		other.feed(rt, shuffled(rt, p.records), false)
		equalViews(t, rt, want, viewOf(t, other.Ledger, "s1", "s2"), "another order")

		again := p.machine()
		again.feed(rt, shuffled(rt, p.records), true)
		again.settle(rt, p.records)
		equalViews(t, rt, want, viewOf(t, again.Ledger, "s1", "s2"), "another order with restarts")

		again.restart()
		equalViews(t, rt, want, viewOf(t, again.Ledger, "s1", "s2"), "after another restart")
		straight.restart()
		equalViews(t, rt, want, viewOf(t, straight.Ledger, "s1", "s2"), "after a restart")
	})
}

func equalOrFatal(t testing.TB, want, got view) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("views differ (-want +got):\n%s", diff)
	}
}
