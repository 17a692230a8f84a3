package gossip

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/internal/ident"
)

// TestUrgentInQueue: what is urgent goes first, in its order and in a frame of its own, and takes a place where there
// is none; then the caller knows that something was lost.
func TestUrgentInQueue(t *testing.T) {
	q := newQueue()
	for i := range maxQueued - 1 {
		q.put(Record{Feed: "f", Seq: uint64(i + 1)}, false)
	}
	for i, room := range []bool{true, false, false} {
		if got := q.put(Record{Feed: "u", Seq: uint64(i + 1)}, true); got != room {
			t.Errorf("urgent record %d: room %v, want %v", i+1, got, room)
		}
	}
	q.drop([]Record{{Feed: "u", Seq: 2}, {Feed: "f", Seq: 1}})
	if q.urgent != 2 {
		t.Errorf("%d urgent records wait, want 2", q.urgent)
	}
	if diff := cmp.Diff([]Record{{Feed: "u", Seq: 1}, {Feed: "u", Seq: 3}}, q.next()); diff != "" {
		t.Error(diff)
	}
	rest := q.next()
	if q.hurried() || len(rest) != maxQueued-4 || rest[0].Seq != 2 || rest[len(rest)-1].Seq != maxQueued-3 {
		t.Errorf("then %d records, from %d on", len(rest), rest[0].Seq)
	}
}

func TestUrgentFirst(t *testing.T) {
	spans := []span{{"/durable/a", 1}, {"/urgent/b", 2}, {"/durable/c", 3}, {"/urgent/a", 4}}
	got := urgentFirst(spans, func(s span) bool { return strings.Contains(s.Feed, "urgent") })
	if diff := cmp.Diff([]span{{"/urgent/b", 2}, {"/urgent/a", 4}, {"/durable/a", 1}, {"/durable/c", 3}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestUrgentOvertakesInSession: after a cut what is urgent comes before all that was missed too.
func TestUrgentOvertakesInSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, false)
		defer f.close()
		f.admit()
		a, b := f.nodes[0], f.nodes[1]
		b.log.Offer(a.id, a.log.feeds[admitFeed])
		for range 100 {
			a.log.publish("/durable/"+a.name, strings.Repeat("x", 10_000))
			a.log.publish("/urgent/"+a.name, "revoked")
		}
		var came []string
		b.log.onStored = func(r Record, _ ident.NodeID) { came = append(came, r.Feed) }
		f.pairs(all, f.link)
		f.converge(t, time.Minute)
		if len(came) != 200 || slices.Contains(came[:100], "/durable/"+a.name) {
			t.Errorf("%d records came, not the urgent ones first", len(came))
		}
	})
}

// TestUrgentCrossesEveryLink: what is urgent crosses an edge on links that nobody has chosen, at once.
func TestUrgentCrossesEveryLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 4, true)
		defer f.close()
		f.pairs(all, f.link)
		f.admit()
		f.converge(t, time.Minute)
		time.Sleep(time.Minute)
		for feed, want := range map[string]bool{"/durable/": false, "/urgent/": true} {
			var mu sync.Mutex
			direct := map[ident.NodeID]bool{} // who has it, and whether from its author
			author := f.nodes[0]
			for _, n := range f.nodes[4:] {
				push := n.log.onStored
				n.log.onStored = func(r Record, from ident.NodeID) {
					mu.Lock()
					direct[n.id] = from == author.id
					mu.Unlock()
					push(r, from)
				}
				defer func() { n.log.onStored = push }()
			}
			begin := time.Now()
			author.log.publish(feed+author.name, "news")
			synctest.Wait()
			if all := len(direct) == 4 && time.Since(begin) == 0; all != want {
				t.Errorf("%s: %d of 4 had it at once, directly: %v", feed, len(direct), direct)
			}
		}
	})
}
