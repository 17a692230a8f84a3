package distribute

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

func TestOneToOne(t *testing.T) {
	for _, size := range []int{0, 1, 5000, 300_000, 5 << 20} {
		run(t, func(t *testing.T, w *world) {
			seed, n := w.node("a"), w.node("a")
			data := content(1, size)
			want := seed.add(data)
			w.mesh()
			if err := n.fetch(want, time.Minute); err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			n.holds(want, data)
			if n.changed != 1 {
				t.Errorf("%d bytes: told of %d changes", size, n.changed)
			}
		})
	}
}

// Each piece crosses each site's uplink about once, whoever asks for it, and leaves the seed's about once.
func TestSites(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("a", 2<<20, 20*time.Millisecond)
		w.net.uplink("b", 2<<20, 20*time.Millisecond)
		w.net.uplink("c", 2<<20, 20*time.Millisecond)
		seed := w.node("a")
		b, c := w.site("b", 4), w.site("c", 2)
		data := content(2, 12<<20)
		want := seed.add(data)
		w.mesh()
		took := w.fetchAll(append(b, c...), want, time.Hour)
		for _, n := range w.nodes {
			n.holds(want, data)
		}
		for _, s := range []string{"b", "c"} {
			if ratio := float64(w.net.down[s].crossed()) / float64(len(data)); ratio > 1.06 {
				t.Errorf("%.3f times the blob came to site %s", ratio, s)
			}
		}
		if ratio := float64(w.net.up["a"].crossed()) / float64(len(data)); ratio > 1.25 {
			t.Errorf("the seed sent the blob %.3f times", ratio)
		}
		t.Logf("took %v; uplink b %.3f c %.3f; seed sent %.3f", took, float64(w.net.down["b"].crossed())/float64(len(data)),
			float64(w.net.down["c"].crossed())/float64(len(data)), float64(w.net.up["a"].crossed())/float64(len(data)))
	})
}

// Mates that begin together know of each other soon, and wait no longer: what is small comes at once, and to the site once.
func TestSmallBlobComesAtOnce(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 10<<20, 5*time.Millisecond)
		seed, b := w.node("a"), w.site("b", 4)
		data := content(2, 500_000)
		want := seed.add(data)
		w.mesh()
		if took := w.fetchAll(b, want, time.Hour); took > 150*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if ratio := float64(w.net.down["b"].crossed()) / float64(len(data)); ratio > 1.02 {
			t.Errorf("%.3f times the blob came to the site", ratio)
		}
	})
}

// A node that begins just before it meets a mate hears what that has and is getting before it asks for anything over the uplink: that the mate
// wants the blob too does not say that it begins as well.
func TestLateNodeHearsMateFirst(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 10<<20, 5*time.Millisecond)
		data := content(5, 2<<20)
		seed, mate, late := w.node("a"), w.node("b"), w.node("b")
		want := seed.add(data)
		seed.meter(FetchProtocol, 50e3)
		from, _ := seed.store.Object(want.Digest)
		o, err := late.store.Begin(want) // it has the list from before
		if err != nil {
			t.Fatal(err)
		}
		copyList(t, o, from)
		w.net.connect(seed.port, mate.port)
		w.net.wg.Go(func() { w.fetchAll([]*node{mate}, want, time.Hour) })
		time.Sleep(20 * time.Second)
		w.net.wg.Go(func() {
			time.Sleep(time.Millisecond)
			w.mesh()
		})
		w.fetchAll([]*node{late}, want, time.Hour)
		late.holds(want, data)
		if ratio := float64(w.net.down["b"].crossed()) / float64(len(data)); ratio > 1.02 {
			t.Errorf("%.3f times the blob came to the site", ratio)
		}
	})
}

// A blob that is on the way is handed on: a node that knows no seed gets it from one that does.
func TestChain(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(30, 3<<20)
		nodes := w.site("a", 5)
		want := nodes[0].add(data)
		for i := range nodes[1:] {
			w.net.connect(nodes[i].port, nodes[i+1].port)
		}
		w.fetchAll(nodes[1:], want, time.Minute)
		nodes[4].holds(want, data)
	})
}

// A node that comes when its mates are done, or half done, takes nothing over the uplink that they have.
func TestLateNode(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 1<<20, 10*time.Millisecond)
		data := content(31, 8<<20)
		seed, b := w.node("a"), w.site("b", 3)
		want := seed.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(4 * time.Second)
			if err := b[2].fetch(want, time.Minute); err != nil {
				t.Error(err)
			}
		})
		w.fetchAll(b[:2], want, time.Minute)
		w.fetchAll(b, want, time.Minute)
		b[2].holds(want, data)
		if ratio := float64(w.net.down["b"].crossed()) / float64(len(data)); ratio > 1.08 {
			t.Errorf("%.3f times the blob came to the site", ratio)
		}
	})
}

// Fetches of one blob share its transfer, and one that is given up does not end the others'.
func TestCancel(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 500<<10, 0)
		data := content(32, 4<<20)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			if err := n.fetch(want, 2*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("given up with %v", err)
			}
		})
		if err := n.fetch(want, 4*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up with %v", err)
		}
		if n.swarm.task(want.Digest) != nil {
			t.Error("goes on after the last has given up")
		}
		before := w.net.up["b"].came()
		time.Sleep(10 * time.Second)
		if came := w.net.up["b"].came(); came != before {
			t.Errorf("%d bytes came after that", came-before)
		}
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if came := w.net.up["b"].came(); came > int64(len(data))+store.MaxChunk+1000 {
			t.Errorf("%d bytes came", came)
		}
	})
}

// A fetch that is given up and begun anew at once goes on being told.
func TestBeginAnew(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(33, 1<<20)
		n, seed, other := w.node("a"), w.node("a"), w.node("x")
		want := other.add(data)
		w.net.connect(n.port, seed.port)
		w.net.wg.Go(func() {
			time.Sleep(10 * time.Second)
			seed.add(data)
		})
		for range 20 { // each begins at the moment when the one before is given up
			w.net.wg.Go(func() {
				if err := n.fetch(want, 130*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
			time.Sleep(130 * time.Millisecond)
		}
		if err := n.fetch(want, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhoHas(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 500<<10, 0)
		data := content(34, 4<<20)
		seed, n, none, deaf := w.node("b"), w.node("a"), w.node("a"), w.node("a")
		want := seed.add(data)
		streams := 0
		deaf.serves(holderProtocol, &streams, hold)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(4 * time.Second)
			p, ok := n.swarm.Progress(want.Digest)
			if !ok || p.FromUplink < 500<<10 || p.FromSite != 0 || p.Peers != 1 || p.Rate < 200<<10 || p.Rate > 600<<10 {
				t.Errorf("progress: %+v, %v", p, ok)
			}
			began := time.Now()
			got := none.swarm.WhoHas(context.Background(), want.Digest)
			if len(got) != 2 || got[0] != (Holder{seed.port.id, int64(len(data)), true}) || got[1].ID != n.port.id || got[1].Complete || got[1].Have < 500<<10 {
				t.Errorf("who has: %+v", got)
			}
			if time.Since(began) > askTimeout+time.Second {
				t.Errorf("took %v", time.Since(began))
			}
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := none.swarm.WhoHas(context.Background(), digestOf(nil)); len(got) != 0 {
			t.Errorf("who has nothing: %+v", got)
		}
	})
}

// Close ends fetches; nothing can be fetched after it.
func TestClose(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 100<<10, 0)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(content(35, 4<<20))
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(3 * time.Second)
			n.swarm.Close()
			n.swarm.Close()
		})
		if err := n.fetch(want, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := n.fetch(want, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		n.swarm.PeerUp(ident.NodeID{99}, "a")
		n.swarm.PeerDown(seed.port.id)
	})
}

// The next version of a blob is made of what the last one has.
func TestNextVersion(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		v1 := content(36, 6<<20)
		v2 := append(append(v1[:3<<20:3<<20], "an insertion"...), v1[3<<20:]...)
		n, seed := w.node("a"), w.node("b")
		n.add(v1)
		want := seed.add(v2)
		w.mesh()
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, v2)
		if came := w.net.up["b"].came(); came > 4*store.MaxChunk {
			t.Errorf("%d bytes came", came)
		}
	})
}

// A version after the next, for which there is no patch, costs little more over the uplink than the chunks that the old one lacks:
// the list, and what peers say of it. 'make bench-patch' has it of real versions, the files SELVAGE_OLD and SELVAGE_NEW.
func TestVersionAfterTheNext(t *testing.T) {
	v1 := content(37, 8<<20)
	v3 := bytes.Clone(v1)
	for at := 100_000; at < len(v3); at += 1 << 20 {
		v3 = append(append(bytes.Clone(v3[:at]), "an insertion"...), v3[at+5:]...)
	}
	if old := os.Getenv("SELVAGE_OLD"); old != "" {
		v1, v3 = readFile(t, old), readFile(t, os.Getenv("SELVAGE_NEW"))
	}
	crossed, ideal := update(t, v1, v3)
	t.Logf("%d bytes crossed the uplink; the chunks that were not there have %d: %.3f of them", crossed, ideal, float64(crossed)/float64(ideal))
	if ideal < 100<<10 || float64(crossed) > 1.2*float64(ideal) {
		t.Errorf("%d bytes crossed for %d that it lacks", crossed, ideal)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A fetch that is called off when the blob is here, since it is here, has done what it was to do: who waits for the blob may see it first.
func TestCalledOffAsItEnds(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		n, other := w.node("a"), w.node("a")
		data := content(66, 1<<20)
		want := other.add(data)
		for _, here := range []bool{false, true} {
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- n.swarm.Fetch(ctx, want) }()
			synctest.Wait() // nobody gives it
			if here {
				if _, err := n.store.Add(context.Background(), bytes.NewReader(data)); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			if err := <-ended; (err == nil) != here {
				t.Errorf("here: %v, and the fetch ended with %v", here, err)
			}
		}
	})
}

// update has a node with one version get another, without a patch. It returns how many bytes crossed the uplink, and how
// many the chunks have that the old version lacks.
func update(t *testing.T, v1, v3 []byte) (crossed, ideal int64) {
	run(t, func(t *testing.T, w *world) {
		n, seed := w.node("a"), w.node("b")
		w.net.uplink("b", 1<<20, 20*time.Millisecond)
		n.add(v1)
		old := seed.add(v1)
		want := seed.add(v3)
		w.mesh()
		if err := n.fetch(want, 10*time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, v3)
		from, _ := seed.store.Object(old.Digest)
		to, _ := seed.store.Object(want.Digest)
		for _, i := range from.Lacks(to) {
			ideal += int64(to.Chunks()[i].Size)
		}
		crossed = w.net.up["b"].crossed()
	})
	return crossed, ideal
}

// Bytes that recur are asked for once.
func TestTwins(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := make([]byte, 20<<20)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(data)
		w.mesh()
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if came := w.net.up["b"].came(); came > 2*store.MaxChunk {
			t.Errorf("%d bytes came", came)
		}
	})
}
