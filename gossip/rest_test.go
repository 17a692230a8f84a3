package gossip

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// wire notes what crosses edges.
type wire struct {
	mu     sync.Mutex
	pushes int // writes to push streams
	whole  int // sessions begun that are no peeks
}

func (w *wire) watch(t *testing.T, net *memNet) {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	net.spy = func(from, to ident.NodeID, protocol string, b []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case from[0] == to[0]: // the same site
		case protocol == pushProtocol:
			w.pushes++
		default:
			if f, err := c.decode(b[4:]); err == nil && f.Kind == kindRoot && !f.Peek {
				w.whole++
			}
		}
	}
}

func (w *wire) take() (pushes, whole int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pushes, whole = w.pushes, w.whole
	w.pushes, w.whole = 0, 0
	return pushes, whole
}

// restingFleet is one whose links rest.
func restingFleet(sites, size int, rest time.Duration) *testFleet {
	f := newFleet(sites, size, true)
	for _, n := range f.nodes {
		n.rep.cfg.Rest = func() time.Duration { return rest }
	}
	return f
}

// TestLinksRest: what pours in crosses the edge together; what comes alone, is urgent or is much crosses at once.
func TestLinksRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rest = 5 * time.Second
		var w wire
		f := restingFleet(2, 1, rest)
		defer f.close()
		w.watch(t, f.net)
		a, b := f.nodes[0], f.nodes[1]
		f.admit()
		f.link(a, b)
		f.converge(t, time.Minute)
		time.Sleep(time.Minute)

		w.take()
		a.log.publish("/durable/"+a.name, "alone")
		time.Sleep(relayDelay + rest/localRest)
		if d := f.diverged(); d != "" {
			t.Errorf("%s lacks what came alone", d)
		}
		for i := range 40 {
			a.log.publish("/durable/"+a.name, fmt.Sprint("flood ", i))
			time.Sleep(rest / 20)
		}
		if pushes, _ := w.take(); pushes > 3 {
			t.Errorf("40 records in two rests went in %d frames", pushes)
		}
		a.log.publish("/urgent/"+a.name, "revoked")
		synctest.Wait()
		if m := b.log.marks(false)["/urgent/"+a.name]; m.Seq != 1 {
			t.Errorf("an urgent record has waited for the link")
		}
		time.Sleep(rest + relayDelay)
		if d := f.diverged(); d != "" {
			t.Errorf("%s lacks something after a rest", d)
		}
		a.log.publish("/durable/"+a.name, "last before a rest")
		time.Sleep(2 * relayDelay)
		for i := range maxQueued / 2 {
			a.log.publish("/durable/"+a.name, fmt.Sprint("much ", i))
		}
		time.Sleep(rest / 2)
		if d := f.diverged(); d != "" {
			t.Errorf("%s waits for as much as is sent without a rest", d)
		}
	})
}

// TestNothingSentNeedsNoRest: a link over which nothing went has rested, though there was something to say of it, or something waited that the other
// end turned out to have.
func TestNothingSentNeedsNoRest(t *testing.T) {
	for _, name := range []string{"signalled", "dropped"} {
		synctest.Test(t, func(t *testing.T) {
			const rest = 20 * time.Second
			f := restingFleet(2, 1, rest)
			defer f.close()
			a, b := f.nodes[0], f.nodes[1]
			f.admit()
			f.link(a, b)
			f.converge(t, time.Minute)
			time.Sleep(time.Minute)
			a.rep.mu.Lock()
			queue := a.rep.peers[b.id].queue
			a.rep.mu.Unlock()
			if name == "dropped" {
				r := Record{"/durable/" + b.name, 1, []byte("from elsewhere")}
				queue.put(r, false)
				queue.drop([]Record{r})
			}
			queue.signal()
			time.Sleep(2 * relayDelay)
			a.log.publish("/durable/"+a.name, "alone")
			time.Sleep(2 * relayDelay)
			if d := f.diverged(); d != "" {
				t.Errorf("%s: %s lacks what came alone", name, d)
			}
		})
	}
}

// TestMeetInQueues: of what both ends have got from elsewhere, little crosses a link in both directions.
func TestMeetInQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records = 40
		var w wire
		f := restingFleet(2, 1, 2*time.Second)
		defer f.close()
		w.watch(t, f.net)
		a, b := f.nodes[0], f.nodes[1]
		f.admit()
		f.link(a, b)
		f.converge(t, time.Minute)
		time.Sleep(time.Minute)
		for round := range 10 {
			w.take()
			for i := range records {
				feed := "/durable/" + a.name
				a.log.publish(feed, fmt.Sprint(round, " ", i))
				rs, err := a.log.Read(feed, uint64(round*records+i), 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				b.log.Offer(ident.NodeID{}, rs) // somebody else has brought it there
				b.rep.Push(rs[0], ident.NodeID{})
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			if pushes, _ := w.take(); pushes > 3 {
				t.Errorf("%d frames crossed, of which 1 or 2 were needed", pushes)
			}
		}
	})
}

// TestShortSessions: who lacks much has it soon over links that rest, though each session across the edge is short, and a record that is larger than
// a session's share comes too.
func TestShortSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := restingFleet(2, 1, time.Second)
		defer f.close()
		var most atomic.Int64
		f.net.spy = func(_, _ ident.NodeID, protocol string, b []byte) {
			if protocol == syncProtocol {
				most.Store(max(most.Load(), int64(len(b))))
			}
		}
		a := f.nodes[0]
		f.admit()
		for i := range 40 {
			a.log.publish("/durable/"+a.name, strings.Repeat(fmt.Sprint(i%10), maxShare/5))
		}
		a.log.publish("/durable/"+a.name, strings.Repeat("x", 2*maxShare))
		f.pairs(all, f.link)
		f.converge(t, 10*time.Second)
		if most.Load() > 2*maxShare+1024 {
			t.Errorf("a frame of %d bytes", most.Load())
		}
	})
}

// TestFurtherLinkPeeks: the first session over a link that is one more of many only compares roots, while links rest.
func TestFurtherLinkPeeks(t *testing.T) {
	for _, rest := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var w wire
			f := restingFleet(knownLinks+2, 1, rest)
			defer f.close()
			w.watch(t, f.net)
			f.admit()
			last := len(f.nodes) - 1
			f.pairs(func(a, b *testNode) bool { return a != f.nodes[last] && b != f.nodes[last] }, f.link)
			f.pairs(func(a, b *testNode) bool { return a == f.nodes[last] && b != f.nodes[last-1] }, f.link)
			f.converge(t, time.Minute)
			time.Sleep(10 * time.Second)

			f.nodes[last].log.publish("/durable/"+f.nodes[last].name, "on its way")
			w.take()
			f.link(f.nodes[last], f.nodes[last-1])
			time.Sleep(2 * firstSync)
			if _, whole := w.take(); whole > 0 == (rest > 0) {
				t.Errorf("rest %v: %d first sessions were whole ones", rest, whole)
			}
			f.converge(t, time.Minute)
		})
	}
}
