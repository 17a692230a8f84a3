package distribute

import (
	"context"
	"testing"
	"time"

	"selvage/distribute/store"
)

const rate = 250 << 10 // bytes a second of each uplink

// held is how long what a stream holds takes over the uplink, and what waits behind it: the list, and then the first chunks.
const held = 7 * time.Second

// thin is an origin and two sites of two nodes, each behind a thin uplink.
func thin(w *world) (origin *node, b, c []*node) {
	for _, s := range []string{"a", "b", "c"} {
		w.net.uplink(s, rate, 20*time.Millisecond)
	}
	origin = w.node("a")
	b, c = w.site("b", 2), w.site("c", 2)
	w.mesh()
	return origin, b, c
}

// prefetch begins to fetch for later.
func (n *node) prefetch(want store.Want) {
	n.w.net.wg.Go(func() {
		if err := n.swarm.Prefetch(context.Background(), want); err != nil && n.swarm.ctx.Err() == nil {
			n.w.t.Errorf("node %d: %v", n.port.id[0], err)
		}
	})
}

func (n *node) whole(want store.Want) bool {
	o, ok := n.store.Object(want.Digest)
	return ok && o.Complete()
}

// What is wanted now takes as long as if nothing else went on, whoever fetches for later: the node itself, a mate, or another site
// from the same seed. What was for later is whole after it.
func TestLaterGivesWay(t *testing.T) {
	const now, later = 4 << 20, 12 << 20
	took := func(t *testing.T, who func(b, c []*node) []*node, early func(n *node, want store.Want)) (took, slack time.Duration) {
		run(t, func(t *testing.T, w *world) {
			origin, b, c := thin(w)
			urgent, bulk := origin.add(content(50, now)), origin.add(content(51, later))
			all := who(b, c)
			slack = time.Duration(len(all)) * held
			for _, n := range all {
				early(n, bulk)
			}
			time.Sleep(10 * time.Second)
			for _, n := range all {
				if o, ok := n.store.Object(bulk.Digest); !ok || o.Info().Have < rate {
					t.Errorf("node %d has next to nothing of what it wants later, though nothing else goes on", n.port.id[0])
				}
			}
			took = w.fetchAll(b[:1], urgent, 10*time.Minute)
			time.Sleep(5 * time.Minute)
			for _, n := range all {
				if !n.whole(bulk) {
					t.Errorf("node %d never got what it wanted later", n.port.id[0])
				}
			}
		})
		return took, slack
	}
	prefetch := func(n *node, want store.Want) { n.prefetch(want) }
	fetch := func(n *node, want store.Want) {
		n.w.net.wg.Go(func() { _ = n.fetch(want, time.Hour) })
	}
	alone, _ := took(t, func(b, c []*node) []*node { return nil }, prefetch)
	for name, who := range map[string]func(b, c []*node) []*node{
		"the node itself":             func(b, c []*node) []*node { return b[:1] },
		"all of the site":             func(b, c []*node) []*node { return b },
		"another site, the same seed": func(b, c []*node) []*node { return c },
	} {
		with, slack := took(t, who, prefetch)
		without, _ := took(t, who, fetch)
		t.Logf("%s: %v alone, %v beside what is for later, %v if that is not", name, alone, with, without)
		if with > alone+slack {
			t.Errorf("%s: what is wanted now took %v, and %v alone", name, with, alone)
		}
		if without < alone+2*slack {
			t.Errorf("%s: it would have taken no longer, %v, if nothing gave way", name, without)
		}
	}
}

// Where nothing else goes on what is for later takes no longer than anything.
func TestLaterAlone(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		origin, b, c := thin(w)
		want := origin.add(content(52, 4<<20))
		began := time.Now()
		for _, n := range append(b, c...) {
			n.prefetch(want)
		}
		w.net.until(t, time.Minute, func() bool { return b[0].whole(want) && b[1].whole(want) && c[0].whole(want) && c[1].whole(want) })
		later := time.Since(began)
		now := w.fetchAll(append(b, c...), origin.add(content(53, 4<<20)), time.Hour)
		if later > now+now/5 {
			t.Errorf("for later it took %v, for now %v", later, now)
		}
		for _, s := range []string{"b", "c"} {
			if ratio := float64(w.net.down[s].crossed()) / float64(8<<20); ratio > 1.06 {
				t.Errorf("%.3f times the blobs came to site %s", ratio, s)
			}
		}
	})
}

// What was for later is hurried when somebody wants it now: another user at the node, or a mate, whose part it takes.
func TestLaterIsWantedNow(t *testing.T) {
	for _, who := range []int{0, 1} {
		run(t, func(t *testing.T, w *world) {
			origin, b, _ := thin(w)
			want, other := origin.add(content(54, 4<<20)), origin.add(content(55, 24<<20))
			b[0].prefetch(want)
			time.Sleep(time.Second)
			w.net.wg.Go(func() { _ = b[1].fetch(other, time.Hour) })
			time.Sleep(5 * time.Second)
			if !b[0].swarm.GivesWay(want.Digest) {
				t.Error("it does not give way")
			}
			took := w.fetchAll(b[who:who+1], want, time.Minute)
			if b[0].swarm.GivesWay(want.Digest) {
				t.Error("it still gives way")
			}
			// Half of the uplink is another's.
			if most := 2*time.Duration(4<<20/rate)*time.Second + 10*time.Second; took > most {
				t.Errorf("node %d: it took %v, at most %v was due", who, took, most)
			}
			b[1].swarm.Close()
		})
	}
}

// Somebody who wants what nobody has is no reason to wait.
func TestLaterDoesNotWaitForNothing(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		origin, b, _ := thin(w)
		want := origin.add(content(56, 4<<20))
		missing := w.wantOf(content(57, 1<<20))
		w.net.wg.Go(func() { _ = b[1].fetch(missing, time.Hour) })
		w.net.wg.Go(func() { _ = b[0].fetch(missing, time.Hour) })
		time.Sleep(time.Minute)
		b[0].prefetch(want)
		w.net.until(t, time.Minute, func() bool { return b[0].whole(want) })
		b[0].swarm.Close()
		b[1].swarm.Close()
	})
}

// However long what is for later waits at a seed, and is asked for again, it takes no more of the streams that a peer may have than
// one; and none when it is given up.
func TestLaterWaitsOnOneStream(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		origin, b, c := thin(w)
		urgent, bulk := origin.add(content(58, 40<<20)), origin.add(content(59, 4<<20))
		ctx, giveUp := context.WithCancel(context.Background())
		w.net.wg.Go(func() { _ = c[0].swarm.Prefetch(ctx, bulk) })
		time.Sleep(2 * time.Second)
		w.net.wg.Go(func() { _ = b[0].fetch(urgent, time.Hour) })
		time.Sleep(140 * time.Second)
		streams := func() int {
			origin.swarm.mu.Lock()
			defer origin.swarm.mu.Unlock()
			return origin.swarm.serving[c[0].port.id]
		}
		if n := streams(); n > 2 || b[0].whole(urgent) {
			t.Errorf("%d streams of who waits; want that which tells, and one that waits", n)
		}
		giveUp()
		time.Sleep(time.Second)
		if n := streams(); n != 1 {
			t.Errorf("%d streams of who has given up", n)
		}
		b[0].swarm.Close()
	})
}

// until waits, in virtual time, for what has to come about within a time.
func (w *network) until(t *testing.T, within time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come about within %v", within)
		}
	}
}
