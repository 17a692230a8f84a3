package distribute

import (
	"strings"
	"sync"
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

// A mate that says to have all, gives nothing, and says again and again that what it was asked for comes later, keeps nobody from the seed for
// ever.
func TestWaitsWithoutEnd(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		data := content(77, 8<<20)
		liar, n, seed := w.node("a"), w.node("a"), w.node("b")
		want := seed.add(data)
		liar.add(data)
		streams := 0
		liar.serves(FetchProtocol, &streams, hold)
		w.mesh()
		w.net.wg.Go(func() {
			for ; !n.whole(want) && n.swarm.ctx.Err() == nil; time.Sleep(2 * time.Second) {
				liar.swarm.tellWaits(n.port.id, want.Digest)
			}
		})
		if err := n.fetch(want, 12*time.Minute); err != nil {
			t.Fatal(err)
		}
		n.holds(want, data)
		if streams == 0 || streams > 20 {
			t.Errorf("the liar was asked %d times", streams)
		}
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

// A mate that says again and again that it is getting another blob of a higher class, of which nothing ever comes, holds a fetch up for no
// more than wordsMost and half of the time; and not at all with a blob that is here.
func TestTakesWithoutEnd(t *testing.T) {
	const rate, size = 50 << 10, 24 << 20
	const alone = size / rate * time.Second
	for name, c := range map[string]struct {
		lie   byte
		mine  Class
		here  bool // the blob of the lie
		least time.Duration
		most  time.Duration
	}{
		"later":         {msgWant, Later, false, alone + wordsMost, 2*alone + wordsMost},
		"normal":        {msgUrgent, Normal, false, alone + wordsMost, 2*alone + wordsMost},
		"what is here":  {msgWant, Later, true, alone, alone * 11 / 10},
		"it is no more": {msgUnwant, Later, false, alone, alone * 11 / 10},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, w *world) {
				w.net.uplink("b", rate, 20*time.Millisecond)
				liar, n, seed := w.node("a"), w.node("a"), w.node("b")
				want, other := seed.add(content(74, size)), digestOf(content(75, 1<<20))
				if c.here {
					n.add(content(75, 1<<20))
				}
				w.mesh()
				defer liar.repeats(n, 4*time.Second, func(k int) []message { return takes(c.lie, other, k) })()
				time.Sleep(time.Second)
				began := time.Now()
				n.begin(want, c.mine)
				w.net.until(t, 2*c.most, func() bool { return n.whole(want) })
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("it took %v, due were %v to %v", took, c.least, c.most)
				}
			})
		})
	}
}

// What a mate says holds a fetch up for half of the time at most, whenever it says it; and for wordsMost again once it had said nothing for long.
func TestForbearance(t *testing.T) {
	for name, says := range map[string]func(at time.Duration) bool{
		"always":      func(time.Duration) bool { return true },
		"by minutes":  func(at time.Duration) bool { return at/time.Minute%4 != 3 },
		"when it can": func(at time.Duration) bool { return at/wordsMost%2 == 0 },
	} {
		f, now, held, longest, onEnd := forbearance{}, time.Unix(1, 0), time.Duration(0), time.Duration(0), time.Duration(0)
		for at := time.Duration(0); at < 3*time.Hour; at += lookAgain {
			if !f.holds(false, says(at), now.Add(at)) {
				onEnd = 0
				continue
			}
			held, onEnd = held+lookAgain, onEnd+lookAgain
			longest = max(longest, onEnd)
		}
		if held > (3*time.Hour+wordsMost)/2+time.Second || longest > wordsMost+time.Second {
			t.Errorf("%s: it waited %v of three hours, and %v on end", name, held, longest)
		}
		if held < time.Hour {
			t.Errorf("%s: it waited only %v of three hours", name, held)
		}
	}
}

// The time in which a fetch gives way to what this node sees is none in which it waited for words, nor one in which it went on.
func TestForbearanceBesideWhatIsSeen(t *testing.T) {
	f, now := forbearance{}, time.Unix(1, 0)
	lasts := func(seen, words bool, most time.Duration) (d time.Duration) {
		for ; d < most && f.holds(seen, words, now); d += lookAgain {
			now = now.Add(lookAgain)
		}
		return d
	}
	lasts(false, true, time.Minute)
	if d := lasts(true, true, time.Hour); d < time.Hour {
		t.Errorf("it gives way to what is seen for %v only", d)
	}
	if d := lasts(false, true, time.Hour); d != wordsMost-time.Minute {
		t.Errorf("it waits for words for %v more, want %v", d, wordsMost-time.Minute)
	}
	lasts(true, true, time.Hour)
	if d := lasts(false, true, time.Hour); d != 0 {
		t.Errorf("it waits for words for %v after it had its time", d)
	}
}

// A mate that says for ever that it gets the whole from a mirror is waited for no longer than a thin link would take. Then one of the
// others gets it.
func TestWholeWithoutEnd(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		const size = 1 << 20
		data := content(76, size)
		want, m := w.wantOf(data), newArchive("m", data)
		w.mirrors = []Mirror{m}
		liar, site := w.node("a"), w.site("a", 3)
		w.link(append(site, liar))
		for _, n := range site {
			defer liar.repeats(n, wholeTell, func(k int) []message { return takes(msgWant, want.Digest, k%2) })()
		}
		time.Sleep(time.Second)
		took := w.fetchAll(site, want, time.Hour)
		if most := wordsMost + size/wholeSlowest*time.Second + time.Minute; took > most {
			t.Errorf("it took %v, more than %v", took, most)
		}
		checkGiven(t, m, 1, 1, size)
	})
}

// A mate that gets the whole over 64 kbit/s is waited for: it crosses the uplink once.
func TestWholeOverAThinLink(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		const size = 6 << 20
		data := content(77, size)
		want, m := w.wantOf(data), newArchive("m", data)
		m.rate = 64e3 / 8
		w.mirrors = []Mirror{m}
		site := w.site("a", 4)
		w.link(site)
		if took := w.fetchAll(site, want, time.Hour); took < 2*wordsMost {
			t.Errorf("it took %v only", took)
		}
		checkGiven(t, m, 1, 1, size)
	})
}

// A disk that takes its time to store a blob does not hold up what is given to peers, though it is looked at whether what mates get is here.
func TestClaimsBesideASlowDisk(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		n, mate := w.node("a"), w.node("a")
		w.mesh()
		claimed := digestOf(content(78, 1<<20))
		defer mate.repeats(n, time.Second, func(k int) []message { return takes(msgWant, claimed, k%2) })()
		time.Sleep(time.Second)
		writes := make(chan struct{})
		n.fs.OnOp = func(_, name string) error {
			if strings.Contains(name, "index.json") {
				<-writes
			}
			return nil
		}
		var wg sync.WaitGroup
		wg.Go(func() { n.add(content(79, 1000)) })
		time.Sleep(time.Second)
		wg.Go(func() { n.swarm.coming(time.Now()) })
		time.Sleep(time.Second)
		gives := make(chan struct{})
		wg.Go(func() {
			n.swarm.mayGive(mate.port.id, claimed)
			close(gives)
		})
		select {
		case <-gives:
		case <-time.After(time.Second):
			t.Error("what is to be given waits for the disk")
		}
		close(writes)
		wg.Wait()
	})
}
