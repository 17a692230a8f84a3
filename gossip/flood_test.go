package gossip

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// served counts the links across the edge that a node serves.
func served(n *testNode) (links int) {
	n.rep.mu.Lock()
	defer n.rep.mu.Unlock()
	for _, p := range n.rep.peers {
		if !p.local && p.eager() {
			links++
		}
	}
	return links
}

// TestFullNodeIsSpared: of the many that have one node for a neighbour those choose others that have any.
func TestFullNodeIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(40, 1, true)
		defer f.close()
		f.admit()
		hub := f.nodes[0]
		for _, n := range f.nodes[1:] {
			f.link(hub, n)
		}
		time.Sleep(time.Second)
		if n := served(hub); n > fullLinks+chosenLinks {
			t.Errorf("a node that all meet first serves %d at once", n)
		}
		for i, n := range f.nodes[1:] { // each meets four others
			f.link(n, f.nodes[1+(i+1)%39])
			f.link(n, f.nodes[1+(i+5)%39])
		}
		time.Sleep(fullGrace + time.Second)
		if n := served(hub); n > fullLinks+chosenLinks {
			t.Errorf("a node that all have met first serves %d", n)
		}
		f.converge(t, time.Minute)
		for i := range 10 {
			hub.log.publish("/durable/"+hub.name, fmt.Sprint(i))
			time.Sleep(2 * time.Second)
			if d := f.diverged(); d != "" {
				t.Errorf("%s lacks news of it after two seconds", d)
			}
		}
	})
}

// TestStarIsServed: a node that is the only way to all others serves all of them.
func TestStarIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(30, 1, true)
		defer f.close()
		f.admit()
		hub := f.nodes[0]
		for _, n := range f.nodes[1:] {
			f.link(hub, n)
		}
		time.Sleep(fullGrace / 2)
		hub.log.publish("/durable/"+hub.name, "while others may still be chosen")
		f.converge(t, fullGrace+2*peekAgain*maxPeeks)
		time.Sleep(fullGrace)
		f.nodes[7].log.publish("/durable/"+f.nodes[7].name, "news")
		time.Sleep(time.Second)
		if d := f.diverged(); d != "" {
			t.Errorf("%s lacks the news after a second", d)
		}
	})
}

// TestStarIsServedMeanwhile: those that have chosen no other are served once their time for it is over, though the node is in a session with one
// whose answers do not come.
func TestStarIsServedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(30, 1, true)
		defer f.close()
		f.admit()
		hub, silent := f.nodes[0], f.nodes[29]
		answered := make(chan struct{})
		f.net.spy = func(from, _ ident.NodeID, protocol string, _ []byte) {
			if from == silent.id && protocol == syncProtocol {
				<-answered
			}
		}
		defer close(answered)
		f.pairs(func(a, b *testNode) bool { return b == hub && a != silent }, f.link)
		time.Sleep(fullGrace - time.Second)
		f.link(silent, hub)
		hub.rep.Kick() // all have a session, one of them with the silent one
		time.Sleep(2 * time.Second)
		if n := served(hub); n < len(f.nodes)-2 {
			t.Errorf("%d of %d are served", n, len(f.nodes)-2)
		}
	})
}

// TestFewSessionsAreServed: where links rest, a node serves a few sessions across the edge at a time, and any of mates.
func TestFewSessionsAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := restingFleet(2, 1, time.Second)
		defer f.close()
		a := f.nodes[0].rep
		far, mate := &peer{}, &peer{local: true}
		var done []func()
		for range maxServing {
			end, ok := a.admit(far)
			if !ok {
				t.Fatal("a session is turned away")
			}
			done = append(done, end)
		}
		if _, ok := a.admit(far); ok {
			t.Error("one session too many is served")
		}
		if _, ok := a.admit(mate); !ok {
			t.Error("a mate is turned away")
		}
		done[0]()
		if _, ok := a.admit(far); !ok {
			t.Error("nobody is served in the place of one that is over")
		}
		for _, end := range done[1:] {
			end()
		}
	})
}

// TestFloodDefersPeeks: while records pour in, sessions across the edge that nobody has asked for wait, but not for ever.
func TestFloodDefersPeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rest = time.Second
		f := restingFleet(2, 1, rest)
		defer f.close()
		a := f.nodes[0].rep
		far, mate := &peer{}, &peer{local: true}
		note := func(records int) { a.flood.note(records, time.Now(), rest) }
		note(floodRecords - 1)
		if a.defers(far) {
			t.Error("a few records are a flood")
		}
		note(1)
		if a.defers(mate) {
			t.Error("a session inside the site is put off")
		}
		for i := range maxDeferred {
			if !a.defers(far) {
				t.Errorf("session %d is not put off", i)
			}
			time.Sleep(rest)
			note(floodRecords)
		}
		if a.defers(far) {
			t.Error("a session is put off once more")
		}
		if far.deferred = 0; a.turn(far, rest) > 0 {
			t.Error("it is the turn of an end that has said nothing")
		}
		if far.heard = time.Now(); a.turn(far, rest) != rest/2 {
			t.Errorf("the other end has its turn for %v", a.turn(far, rest))
		}
		time.Sleep(2*rest + floodSlack)
		if far.heard = time.Now(); a.defers(far) || a.turn(far, rest) > 0 {
			t.Error("the flood goes on though nothing has come")
		}
	})
}

// TestNewcomerIsQuiet: a node that comes into a fleet does not send what it is told there across other links, where all have it.
func TestNewcomerIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records = 100
		f := newFleet(4, 1, true)
		defer f.close()
		f.admit()
		for _, n := range f.nodes { // so that nothing waits for that
			f.nodes[3].log.publish(admitFeed, n.name)
		}
		for i := range records {
			f.nodes[0].log.publish("/durable/"+f.nodes[0].name, fmt.Sprint(i))
		}
		old, newcomer := f.nodes[:3], f.nodes[3]
		c, err := newCodec()
		if err != nil {
			t.Fatal(err)
		}
		var told atomic.Int64
		f.net.spy = func(from, _ ident.NodeID, protocol string, b []byte) {
			if fr, err := c.decode(b[4:]); from == newcomer.id && protocol == pushProtocol && err == nil {
				told.Add(int64(len(fr.Records)))
			}
		}
		for _, a := range old[1:] {
			f.link(old[0], a)
		}
		time.Sleep(time.Minute)
		for _, a := range old {
			f.link(a, newcomer)
		}
		f.converge(t, time.Minute)
		time.Sleep(time.Second)
		if n := told.Load(); n > records/10 {
			t.Errorf("it has told others %d records", n)
		}
		told.Store(0)
		newcomer.log.publish("/durable/"+newcomer.name, "its own")
		time.Sleep(time.Second)
		if n := told.Load(); n == 0 || f.diverged() != "" {
			t.Errorf("of its own it has told %d", n)
		}
	})
}
