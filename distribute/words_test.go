package distribute

import (
	"testing"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// repeats opens a have stream as a node, and says something on it again and again, until what it returns is called.
func (n *node) repeats(to *node, every time.Duration, say func(k int) []message) (stop func()) {
	n.w.t.Helper()
	conn, err := n.port.Open(n.w.t.Context(), to.port.id, haveProtocol)
	if err != nil {
		n.w.t.Fatal(err)
	}
	n.w.net.wg.Go(func() {
		for k := 0; ; k++ {
			var b []byte
			for _, m := range say(k) {
				b = m.append(b)
			}
			if _, err := conn.Write(b); err != nil {
				return // it was stopped
			}
			time.Sleep(every)
		}
	})
	return func() { reset(conn) }
}

// takes says that it wants a blob, and that it is getting a chunk of it.
func takes(kind byte, d Digest, chunk int) []message {
	return []message{{kind: kind, digest: d}, {kind: msgTaking, digest: d, runs: []planner.Run{{First: chunk, Count: 1}}}}
}

// A mate that says again and again that it is getting something over the uplink, now this, now that, and brings nothing, is not waited
// for much longer than the plan has it.
func TestClaimsWithoutEnd(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(70, 8<<20)
		liar, n, seed := w.node("a"), w.node("a"), w.node("b")
		want := seed.add(data)
		w.mesh()
		defer liar.repeats(n, 2*time.Second, func(k int) []message { return takes(msgWant, want.Digest, k%2) })()
		if err := n.fetch(want, 6*time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
	})
}

// A node of another site that says again and again that it wants a blob, and asks for none of it, makes others wait at the seed for a
// moment only.
func TestWantsWithoutEnd(t *testing.T) {
	for lie, mine := range map[byte]Class{msgWant: Later, msgUrgent: Normal} {
		run(t, func(t *testing.T, w *world) {
			n, seed, liar := w.node("a"), w.node("b"), w.node("c")
			want := seed.add(content(71, 8<<20))
			other := []store.Want{seed.add(content(72, 100<<10)), seed.add(content(73, 100<<10))}
			w.net.connect(n.port, seed.port)
			w.net.connect(seed.port, liar.port)
			say := func(k int) []message { return []message{{kind: lie, digest: other[k%2].Digest}} }
			defer liar.repeats(seed, 2*time.Second, say)()
			time.Sleep(time.Second)
			if took := n.fetchAs(want, mine); took < 3*time.Second || took > 10*time.Second {
				t.Errorf("%v took %v", mine, took)
			}
		})
	}
}
