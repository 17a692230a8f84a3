package distribute

import (
	"net"
	"testing"
	"time"

	"selvage/internal/ident"
)

// callers has a site of three want a blob of a seed that none of them is connected to, and returns how often they called there.
// With a node between, which gets it too, they can have it from that one.
func callers(w *world, between bool) (calls int) {
	near, seed := w.site("a", 3), w.node("c")
	w.net.uplink("c", 256<<10, 0)
	want := seed.add(content(41, 4<<20)) // 16 s
	seed.serves(holderProtocol, &calls, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) { before(from, c) })
	for i, n := range near {
		n.port.dials, n.providers = true, []ident.NodeID{seed.port.id}
		for _, mate := range near[:i] {
			w.net.connect(n.port, mate.port)
		}
	}
	all := near
	if between {
		b := w.node("b")
		w.net.connect(b.port, seed.port)
		for _, n := range near {
			w.net.connect(n.port, b.port)
		}
		all = append(all, b)
	}
	w.fetchAll(all, want, time.Minute)
	return calls
}

// While a blob comes by way of another site, however slowly, nobody calls at those who are said to have it: all of a fleet would.
func TestSeeksNothingThatComes(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		if calls := callers(w, true); calls != 0 {
			t.Errorf("the seed was called %d times", calls)
		}
	})
}

// Where it comes from nowhere, one of a site calls, and the others have it from that one.
func TestOneOfASiteSeeks(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		if calls := callers(w, false); calls != 1 {
			t.Errorf("the seed was called %d times", calls)
		}
	})
}
