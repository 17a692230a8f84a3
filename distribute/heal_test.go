package distribute

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
)

// A connection that is lost in mid-transfer costs a chunk at most, at the receiver.
func TestLostConnection(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 500<<10, 50*time.Millisecond)
		data := content(10, 5<<20)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(data)
		w.mesh()
		const losses = 4
		w.net.wg.Go(func() {
			for range losses {
				time.Sleep(2500 * time.Millisecond)
				w.net.disconnect(n.port, seed.port)
				time.Sleep(time.Second)
				w.net.connect(n.port, seed.port)
			}
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if extra := w.net.up["b"].came() - int64(len(data)); extra > losses*(store.MaxChunk+1000) {
			t.Errorf("%d bytes came twice", extra)
		}
		if n.blames(seed.port.id) != "" {
			t.Error("the seed is blamed")
		}
	})
}

// Streams may break while their connection lasts: what was to be told on them is told again.
func TestBrokenStreams(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(11, 2<<20)
		n, seed := w.node("a"), w.node("a")
		other := w.node("b")
		want := other.add(data)
		w.net.connect(n.port, seed.port)
		w.net.wg.Go(func() {
			time.Sleep(3 * time.Second) // it said what it wants
			w.net.breakAll()
			time.Sleep(10 * time.Second)
			seed.add(data)
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
	})
}

// A stream may be served before the news that its peer is there, long before.
func TestLateNews(t *testing.T) {
	for _, late := range []time.Duration{time.Second, 3 * askTimeout} {
		run(t, func(t *testing.T, w *world) {
			data := content(12, 1<<20)
			n, seed := w.node("a"), w.node("a")
			want := seed.add(data)
			seed.port.late, n.port.late = late, late
			w.net.wg.Go(w.mesh)
			if err := n.fetch(want, time.Minute); err != nil {
				t.Fatalf("%v late: %v", late, err)
			}
		})
	}
}

// seededLate has a node fetch a blob that its only peer is seeded with later than the node has said that it wants it. What happens
// meanwhile is not to keep it from the blob.
func seededLate(t *testing.T, meanwhile func(n, seed *node)) {
	run(t, func(t *testing.T, w *world) {
		data := content(13, 1<<20)
		n, seed := w.node("a"), w.node("a")
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(2 * time.Second)
			meanwhile(n, seed)
			seed.add(data)
		})
		o := w.node("c").add(data)
		if err := n.fetch(o, time.Minute); err != nil {
			t.Fatal(err)
		}
	})
}

// News that a peer is gone may come after its new streams, and even after the news that it is back.
func TestReconnectBeforeNews(t *testing.T) {
	seededLate(t, func(n, seed *node) {
		n.w.net.breakAll()
		n.port.tell(seed.port, false)
		n.port.tell(seed.port, true) // the seed sees nothing of it but its streams
		time.Sleep(2 * time.Second)
		n.swarm.PeerUp(seed.port.id, seed.port.site)
		time.Sleep(time.Second)
		seed.port.tell(n.port, false)
		seed.port.tell(n.port, true)
		time.Sleep(time.Second)
	})
}

// A have stream that was being opened when news came that its peer is gone may arrive after the next one, and end at once. What was said
// on the other is not lost.
func TestStrayStream(t *testing.T) {
	seededLate(t, func(n, seed *node) {
		stray, err := n.port.Open(t.Context(), seed.port.id, haveProtocol)
		if err != nil {
			t.Error(err)
			return
		}
		reset(stray)
		time.Sleep(2 * time.Second)
	})
}

// A node that crashes in mid-fetch goes on with what was durable.
func TestCrash(t *testing.T) {
	for seed := range uint64(6) {
		run(t, func(t *testing.T, w *world) {
			w.net.uplink("b", 500<<10, 20*time.Millisecond)
			data := content(14, 4<<20)
			n, other := w.node("a"), w.node("b")
			want := other.add(data)
			w.mesh()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error)
			go func() { ended <- n.swarm.Fetch(ctx, want) }()
			time.Sleep(time.Duration(2000+700*seed) * time.Millisecond)
			after := n.fs.Crash(rand.New(rand.NewPCG(seed, 1)))
			w.net.disconnect(n.port, other.port)
			n.swarm.Close()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the fetch ended with %v", err)
			}
			n.fs = after
			n.start()
			o, ok := n.store.Object(want.Digest)
			if !ok || o.Info().Have < 200<<10 {
				t.Fatalf("seed %d: %d bytes were durable", seed, o.Info().Have)
			}
			have, before := o.Info().Have, w.net.up["b"].came()
			w.net.connect(n.port, other.port)
			if err := n.fetch(want, time.Minute); err != nil {
				t.Fatal(err)
			}
			n.holds(want, data)
			if came := w.net.up["b"].came() - before; came > int64(len(data))-have+1000 {
				t.Errorf("seed %d: %d bytes came for %d that were missing", seed, came, int64(len(data))-have)
			}
		})
	}
}

// A disk that fills up in mid-fetch ends it; when there is room again, it goes on.
func TestDiskFills(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 500<<10, 0)
		data := content(15, 4<<20)
		n, seed := w.nodeOn("a", memdisk.New(5<<20)), w.node("b")
		want := seed.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(3 * time.Second)
			if err := disk.WriteFile(n.fs, "other", make([]byte, 2<<20), 0o600); err != nil {
				t.Error(err)
			}
		})
		if err := n.fetch(want, time.Minute); !errors.Is(err, disk.ErrFull) {
			t.Fatalf("got %v", err)
		}
		if err := n.fetch(want, time.Minute); !errors.Is(err, disk.ErrFull) {
			t.Fatalf("again: %v", err)
		}
		if err := n.fs.Remove("other"); err != nil {
			t.Fatal(err)
		}
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if n.blames(seed.port.id) != "" {
			t.Error("the seed is blamed")
		}
		if came := w.net.up["b"].came(); came > int64(len(data))+3<<20 {
			t.Errorf("%d bytes came", came)
		}
		small := w.nodeOn("a", memdisk.New(1<<20))
		if err := small.fetch(want, time.Minute); !errors.Is(err, disk.ErrFull) {
			t.Errorf("no room from the start: %v", err)
		}
	})
}

// Chunks that go bad on this disk before the whole is checked are got again.
func TestDiskRots(t *testing.T) {
	meanwhile(t, func(t *testing.T, n *node, want store.Want) {
		f, err := n.fs.OpenFile("store/partial/"+want.Digest.String(), os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		o, _ := n.store.Object(want.Digest)
		have := o.Have()
		for i, c := range o.Chunks() {
			if have.Has(i) && i%5 == 0 {
				if _, err := f.WriteAt([]byte("rot"), c.Offset); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// The file of what came is removed while more comes: all comes again.
func TestPartIsRemoved(t *testing.T) {
	meanwhile(t, func(t *testing.T, n *node, want store.Want) {
		if err := n.fs.Remove("store/partial/" + want.Digest.String()); err != nil {
			t.Error(err)
		}
	})
}

// meanwhile has something happen to a node while a blob comes, which it has in the end.
func meanwhile(t *testing.T, do func(t *testing.T, n *node, want store.Want)) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 500<<10, 0)
		data := content(16, 3<<20)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(4 * time.Second)
			do(t, n, want)
		})
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if n.blames(seed.port.id) != "" {
			t.Error("the seed is blamed")
		}
	})
}

// A release whose digest is not that of its chunk list is found out; the right one can be had after it.
func TestContradiction(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data, other := content(17, 2<<20), content(18, 2<<20)
		n, seed := w.node("a"), w.node("a")
		right := seed.add(data)
		wrong := w.node("x").add(other)
		wrong.Digest = right.Digest
		liar := w.node("a")
		from, _ := w.nodes[2].store.Object(digestOf(other))
		liar.hasAll(wrong, from, other)
		w.net.connect(n.port, liar.port)
		if err := n.fetch(wrong, time.Minute); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("got %v", err)
		}
		w.net.connect(n.port, seed.port)
		if err := n.fetch(right, time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(right, data)
	})
}

// Nodes come and go and streams break, at random: everyone who stays gets everything.
func TestChaos(t *testing.T) {
	for seed := range uint64(3) {
		run(t, func(t *testing.T, w *world) {
			r := rand.New(rand.NewPCG(seed, 9))
			for _, s := range []string{"a", "b", "c"} {
				w.net.uplink(s, 400<<10, time.Duration(r.IntN(200))*time.Millisecond)
			}
			one, two := w.node("a"), w.node("b")
			var rest []*node
			for range 6 {
				rest = append(rest, w.node(string("abc"[r.IntN(3)])))
			}
			data, data2 := content(19, 3<<20), content(20, 1<<20)
			want, want2 := one.add(data), two.add(data2)
			w.mesh()
			stop := make(chan struct{})
			w.net.wg.Go(func() { w.shake(r, stop) })
			done := make(chan struct{})
			go func() {
				defer close(done)
				w.fetchAll(rest, want2, time.Hour)
			}()
			w.fetchAll(append(rest, two), want, time.Hour)
			<-done
			close(stop)
			for _, n := range rest {
				n.holds(want, data)
				n.holds(want2, data2)
				if len(n.blamed) > 0 {
					t.Errorf("seed %d: blamed: %v", seed, n.blamed)
				}
			}
		})
	}
}

// shake breaks things until stop is closed.
func (w *world) shake(r *rand.Rand, stop chan struct{}) {
	pick := func() *node { return w.nodes[r.IntN(len(w.nodes))] }
	for {
		select {
		case <-stop:
			w.mesh()
			return
		case <-time.After(time.Duration(r.IntN(1500)) * time.Millisecond):
		}
		switch a, b := pick(), pick(); r.IntN(5) {
		case 0:
			w.net.breakAll()
		case 1, 2:
			w.net.disconnect(a.port, b.port)
		default:
			w.net.connect(a.port, b.port)
		}
	}
}

// What nobody connected has is sought at those who are said to have it, one after the other.
func TestProviders(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(21, 1<<20)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(data)
		n.port.dials = true
		for i := range byte(5) {
			n.providers = append(n.providers, ident.NodeID{200, i}) // nobody
		}
		n.providers = append(n.providers, n.port.id, seed.port.id)
		if err := n.fetch(want, time.Minute); err != nil {
			t.Fatal(err)
		}
	})
}

// While this node's disk is stuck, its peers are not taken for stuck.
func TestSlowDisk(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(22, 4<<20)
		fs := memdisk.New(0)
		writes := 0
		var mu sync.Mutex
		fs.OnOp = func(op, name string) error {
			mu.Lock()
			writes++
			stuck := op == "write" && strings.Contains(name, "partial") && writes%20 == 0
			mu.Unlock()
			if stuck {
				time.Sleep(20 * time.Second)
			}
			return nil
		}
		n, seed := w.nodeOn("a", fs), w.node("a")
		w.net.uplink("a", 0, 0)
		streams := 0
		seed.serves(FetchProtocol, &streams, func(from ident.NodeID, c net.Conn, before func(ident.NodeID, net.Conn)) { before(from, c) })
		want := seed.add(data)
		w.mesh()
		if err := n.fetch(want, time.Hour); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if streams != 1 {
			t.Errorf("%d exchanges", streams)
		}
	})
}

// A reader that takes minutes for what it asked is served to the end, though it asks nothing more.
func TestSlowReader(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(23, 1<<20)
		n, seed := w.node("a"), w.node("a")
		want := seed.add(data)
		w.mesh()
		o, _ := seed.store.Object(want.Digest)
		c, err := n.port.Open(t.Context(), seed.port.id, FetchProtocol)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ask := appendRuns(want.Digest[:], []planner.Run{{First: 0, Count: len(o.Chunks())}})
		if _, err := c.Write(ask); err != nil {
			t.Fatal(err)
		}
		got, buf := 0, make([]byte, 4<<10)
		for got < len(data)+1 {
			k, err := c.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			got += k
			time.Sleep(2 * time.Second)
		}
		time.Sleep(2 * idleTimeout)
		if _, err := c.Read(buf); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("an idle stream is kept")
		}
	})
}

// A blob that comes another way while it is fetched ends the fetch.
func TestComesAnotherWay(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("b", 100<<10, 0)
		data := content(24, 4<<20)
		n, seed := w.node("a"), w.node("b")
		want := seed.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(5 * time.Second)
			n.add(data)
		})
		if err := n.fetch(want, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
	})
}

// idleConn is a connection that was lost for its silence: QUIC says of it, for ever, that it timed out.
type idleConn struct{ net.Conn }

type idleError struct{}

func (idleError) Error() string   { return "timeout: no recent network activity" }
func (idleError) Timeout() bool   { return true }
func (idleError) Temporary() bool { return false }

func (idleConn) SetReadDeadline(time.Time) error { return nil }
func (idleConn) Read([]byte) (int, error)        { return 0, idleError{} }

// TestIdleConnection: who serves a peer that has gone does not wait for it for ever.
func TestIdleConnection(t *testing.T) {
	var open atomic.Int64
	open.Store(1)
	done := make(chan error, 1)
	go func() {
		_, err := readRequest(idleConn{}, bufio.NewReader(idleConn{}), &open)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.As(err, new(idleError)) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still reads")
	}
}
