package distribute

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"selvage/distribute/store"
)

const rate = 250 << 10 // bytes a second of each uplink

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

// begin begins to fetch.
func (n *node) begin(want store.Want, class Class) {
	n.w.net.wg.Go(func() {
		if err := n.swarm.FetchAs(context.Background(), want, class); err != nil && n.swarm.ctx.Err() == nil {
			n.w.t.Errorf("node %d: %v", n.port.id[0], err)
		}
	})
}

// fetchAs fetches within ten minutes, and returns how long it took.
func (n *node) fetchAs(want store.Want, class Class) time.Duration {
	n.w.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := n.swarm.FetchAs(ctx, want, class); err != nil {
		n.w.t.Errorf("node %d: %v", n.port.id[0], err)
	}
	return time.Since(began)
}

func (n *node) whole(want store.Want) bool {
	o, ok := n.store.Object(want.Digest)
	return ok && o.Complete()
}

// gaveWay is how one fetch did beside others of lower classes, or of its own.
type gaveWay struct {
	took    time.Duration
	crossed float64 // how many times what its site got crossed the uplink of who did most badly
	failing []string
}

// beside has nodes fetch much, each with a class, and then another a little, and says how that went. All have to be whole after it.
func beside(t *testing.T, class, other Class, who func(b, c []*node) []*node) (g gaveWay) {
	const little, much = 4 << 20, 12 << 20
	run(t, func(t *testing.T, w *world) {
		origin, b, c := thin(w)
		fix, bulk := origin.add(content(50, little)), origin.add(content(51, much))
		all, due := who(b, c), map[string]int{"b": little}
		for _, n := range all {
			n.begin(bulk, other)
		}
		time.Sleep(10 * time.Second)
		for _, n := range all {
			if o, ok := n.store.Object(bulk.Digest); !ok || o.Info().Have < rate {
				t.Errorf("node %d has next to nothing, though nothing else goes on", n.port.id[0])
			}
			due[n.port.site] = much
		}
		if len(all) > 0 && all[0].port.site == "b" {
			due["b"] += little
		}
		g.took = b[0].fetchAs(fix, class)
		time.Sleep(5 * time.Minute)
		for _, n := range all {
			if !n.whole(bulk) {
				t.Errorf("node %d never got what gave way", n.port.id[0])
			}
		}
		for site, bytes := range due {
			g.crossed = max(g.crossed, float64(w.net.down[site].crossed())/float64(bytes))
		}
		for _, n := range w.nodes {
			g.failing = append(g.failing, n.failing...)
		}
	})
	return g
}

// What is of a higher class takes about as long as if nothing else went on, whoever fetches what is of a lower one: the node itself, a
// mate, or another site from the same seed. What gave way is whole after it, came once, and nobody is taken for one who gives nothing.
func TestGivesWay(t *testing.T) {
	for _, pair := range []struct{ lower, higher Class }{{Later, Normal}, {Normal, Urgent}, {Later, Urgent}} {
		alone := beside(t, pair.higher, pair.higher, func(b, c []*node) []*node { return nil })
		for name, who := range map[string]func(b, c []*node) []*node{
			"the node itself":             func(b, c []*node) []*node { return b[:1] },
			"all of the site":             func(b, c []*node) []*node { return b },
			"another site, the same seed": func(b, c []*node) []*node { return c },
		} {
			with, without := beside(t, pair.higher, pair.lower, who), beside(t, pair.higher, pair.higher, who)
			what := fmt.Sprintf("%v beside %v, which is fetched by %s", pair.higher, pair.lower, name)
			t.Logf("%s: %.1f s alone, %.1f beside it, %.1f if nothing gives way; at most %.3f copies", what, alone.took.Seconds(), with.took.Seconds(), without.took.Seconds(), with.crossed)
			if with.took > alone.took*6/5 {
				t.Errorf("%s: it took %v, and %v alone", what, with.took, alone.took)
			}
			if without.took < 2*alone.took {
				t.Errorf("%s: it would have taken no longer, %v, if nothing gave way", what, without.took)
			}
			if with.crossed > 1.02 {
				t.Errorf("%s: %.3f times the blobs crossed", what, with.crossed)
			}
			if len(with.failing) > 0 {
				t.Errorf("%s: it is said that %q", what, with.failing)
			}
		}
	}
}

// A node gives its mates what is of a higher class first, too. What gave way goes on at once where there is a gap, comes once, and
// nobody is taken for one who gives nothing.
func TestGivesWayInSite(t *testing.T) {
	const little, much, lan = 8 << 20, 16 << 20, 1 << 20
	took := func(t *testing.T, class Class) (took time.Duration) {
		run(t, func(t *testing.T, w *world) {
			all := w.site("a", 3)
			origin, quick, slow := all[0], all[1], all[2]
			origin.port.out = &line{rate: lan}
			w.mesh()
			fix, bulk := origin.add(content(62, little)), origin.add(content(63, much))
			began := time.Now()
			slow.begin(bulk, Normal)
			time.Sleep(2 * time.Second)
			took = quick.fetchAs(fix, class)
			w.net.until(t, time.Minute, func() bool { return slow.whole(bulk) })
			t.Logf("%v took %v, and both %v", class, took, time.Since(began))
			if most := time.Duration(1.1 * (little + much) / lan * float64(time.Second)); time.Since(began) > most {
				t.Errorf("both took %v", time.Since(began))
			}
			if crossed := float64(origin.port.out.crossed()) / (little + much); crossed > 1.01 {
				t.Errorf("%.3f times the blobs went out", crossed)
			}
			if len(slow.failing) > 0 {
				t.Errorf("it is said that %q", slow.failing)
			}
		})
		return took
	}
	if urgent, normal := took(t, Urgent), took(t, Normal); urgent > 10*time.Second || normal < 12*time.Second {
		t.Errorf("it took %v, and %v if it was not urgent; 8 s is what the line takes", urgent, normal)
	}
}

// That a peer says that it wants something urgently, which nobody has declared to be so, holds up nothing.
func TestFalseUrgency(t *testing.T) {
	for _, declared := range []bool{false, true} {
		run(t, func(t *testing.T, w *world) {
			origin, b, c := thin(w)
			origin.swarm.cfg.Urgent = func(Digest) bool { return declared }
			fix, bulk := origin.add(content(64, 40<<20)), origin.add(content(65, 4<<20))
			b[0].begin(fix, Urgent)
			time.Sleep(5 * time.Second)
			c[0].begin(bulk, Normal)
			time.Sleep(time.Minute)
			if c[0].whole(bulk) == declared {
				t.Errorf("declared: %v, and the other site has its blob: %v", declared, !declared)
			}
			b[0].swarm.Close()
			c[0].swarm.Close()
		})
	}
}

// What gives way for minutes at the seed to what goes to another site comes once too, and nobody is taken for one who gives nothing.
func TestGivesWayForLong(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		const much = 12 << 20
		origin, b, c := thin(w)
		fix, bulk := origin.add(content(60, 40<<20)), origin.add(content(61, much))
		for _, n := range c {
			n.begin(bulk, Normal)
		}
		time.Sleep(10 * time.Second)
		took := b[0].fetchAs(fix, Urgent)
		done := c[0].whole(bulk)
		if p, _ := c[0].swarm.Progress(bulk.Digest); !p.Fetching || p.Class != Normal || !p.Waits {
			t.Errorf("it does not say that it waits: %+v", p)
		}
		ended := time.Now()
		w.net.until(t, 2*time.Minute, func() bool { return c[0].whole(bulk) && c[1].whole(bulk) })
		if p, _ := c[0].swarm.Progress(bulk.Digest); p.Fetching || p.Waits {
			t.Errorf("it says that it waits: %+v", p)
		}
		crossed := float64(w.net.down["c"].crossed()) / much
		t.Logf("it waited for %v, took %v after it, and crossed %.3f times", took, time.Since(ended), crossed)
		if done {
			t.Error("it did not give way")
		}
		if crossed > 1.02 {
			t.Errorf("%.3f times the blob crossed", crossed)
		}
		for _, n := range w.nodes {
			if len(n.failing) > 0 {
				t.Errorf("node %d says that %q", n.port.id[0], n.failing)
			}
		}
	})
}

// Where nothing else goes on what is for later takes no longer than anything.
func TestLaterAlone(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		origin, b, c := thin(w)
		want := origin.add(content(52, 4<<20))
		began := time.Now()
		for _, n := range append(b, c...) {
			n.begin(want, Later)
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
			b[0].begin(want, Later)
			time.Sleep(time.Second)
			w.net.wg.Go(func() { _ = b[1].fetch(other, time.Hour) })
			time.Sleep(5 * time.Second)
			if !b[0].swarm.GivesWay(want.Digest) {
				t.Error("it does not give way")
			}
			w.net.wg.Go(func() { // not after it: what is left to the first is for later again, once the mate has all
				time.Sleep(5 * time.Second)
				if b[0].swarm.GivesWay(want.Digest) {
					t.Error("it still gives way")
				}
			})
			took := w.fetchAll(b[who:who+1], want, time.Minute)
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
		b[0].begin(want, Later)
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
		w.net.wg.Go(func() { _ = c[0].swarm.FetchAs(ctx, bulk, Later) })
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

// TestClockIsPutBack: what came before the machine's clock was put back by an hour is not taken to come for that hour.
func TestClockIsPutBack(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		n, data := w.node("b"), content(71, 1<<20)
		n.begin(w.wantOf(data), Urgent)
		synctest.Wait()
		n.swarm.task(digestOf(data)).crosses(time.Now().Add(time.Hour))
		if seen, _ := n.swarm.crossing(time.Now()); seen > Later {
			t.Errorf("what is %v is seen to come", seen)
		}
	})
}
