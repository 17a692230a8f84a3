package distribute

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"selvage/distribute/planner"
)

// ask opens a fetch stream as a node and asks for something.
func (n *node) ask(to *node, b []byte) net.Conn {
	n.w.t.Helper()
	c, err := n.port.Open(n.w.t.Context(), to.port.id, FetchProtocol)
	if err == nil {
		_, err = c.Write(b)
	}
	if err != nil {
		n.w.t.Fatal(err)
	}
	return c
}

// comes is what comes on a stream within a time, to its end.
func comes(c net.Conn, within time.Duration) []byte {
	_ = c.SetReadDeadline(time.Now().Add(within)) // a stream of the test's
	b, _ := io.ReadAll(c)                         // how it ends does not matter
	return b
}

// Whoever asks for what it may not have, or for more than anybody may, gets nothing of it and is told of; one that breaks the
// form is put out.
func TestAsksForWhatItMayNotHave(t *testing.T) {
	const (
		nothing = iota
		told
		blamed
	)
	runs := func(first, count int) []byte { return appendRuns(nil, []planner.Run{{First: first, Count: count}}) }
	for name, c := range map[string]struct {
		part bool // of a blob of which nothing is here yet
		ask  []byte
		want int
	}{
		"nothing is here":            {true, runs(0, 1), nothing},
		"chunks past the end":        {false, runs(1<<20, 5), told},
		"more chunks than there are": {false, runs(2, 1<<20), told},
		"all at once":                {false, runs(0, 400), told},
		"more runs than fit":         {false, binary.AppendUvarint(nil, maxRuns+1), blamed},
		"runs that overlap":          {false, appendRuns(nil, []planner.Run{{First: 5, Count: 2}, {First: 6, Count: 2}}), blamed},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				seed, greedy := w.node("a"), w.node("a")
				of := seed.add(content(50, 20<<20)).Digest
				if c.part {
					part, err := seed.store.Begin(w.node("x").add(content(51, 1<<20)))
					if err != nil {
						t.Fatal(err)
					}
					of = part.Digest
				}
				w.net.connect(seed.port, greedy.port)
				for range 3 {
					conn := greedy.ask(seed, append(of[:], c.ask...))
					if got := comes(conn, 10*time.Second); len(got) > 1 {
						t.Errorf("%d bytes came", len(got))
					}
					reset(conn)
				}
				if (len(seed.blames(greedy.port.id)) > 0) != (c.want == blamed) || (len(seed.failing) > 0) != (c.want == told) {
					t.Errorf("blamed %v, told of %q", seed.blamed, seed.failing)
				}
			})
		})
	}
}

// A peer that asks for everything over and over, and reads nothing, costs a bounded number of requests, and nobody else's fetch.
func TestAsksForEverythingAtOnce(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(52, 8<<20)
		seed, greedy, n := w.node("a"), w.node("a"), w.node("a")
		want := seed.add(data)
		o, _ := seed.store.Object(want.Digest)
		w.mesh()
		all := want.Digest[:]
		for i := range o.Chunks() {
			all = appendRuns(all, []planner.Run{{First: i, Count: 1}})
		}
		flood := bytes.Repeat(all[len(want.Digest):], 50)
		for range maxStreams {
			c := greedy.ask(seed, all)
			defer reset(c)
			w.net.wg.Go(func() { _, _ = c.Write(flood) }) // it hangs, until the stream ends
		}
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if len(seed.blamed) > 0 {
			t.Errorf("blamed %v", seed.blamed)
		}
	})
}
