package planner

import (
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// waits is a node of which some mates come before it in rank, and which gets a blob of 32 KiB chunks from a seed of another site; the first
// is here. What it asks for comes in the next step, of 10 ms or, while nothing is on its way, of a second.
type waits struct {
	*Planner

	mates []ident.NodeID
	now   time.Time
	queue []coming
	last  time.Time // when something came last
}

// coming is a chunk that was asked for.
type coming struct {
	chunk int
	from  ident.NodeID
}

func newWaits(chunks, mates int) *waits {
	w := &waits{now: time.Unix(1, 0)}
	w.Planner = New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(chunks, 32<<10), Have: func(i int) bool { return i == 0 }})
	w.PeerUp(ident.NodeID{1}, "far", w.now)
	w.PeerHasAll(ident.NodeID{1}, w.now)
	for k := byte(10); len(w.mates) < mates; k++ {
		if id := (ident.NodeID{k}); crewRank(seed("duty", id[:], w.cfg.Blob[:])) > w.rank {
			w.mates = append(w.mates, id)
			w.meet(id)
		}
	}
	return w
}

func (w *waits) meet(id ident.NodeID) {
	w.PeerUp(id, "s", w.now)
	w.PeerWants(id, true, w.now)
}

// ask asks for what the plan says, and returns what of it is to cross the uplink.
func (w *waits) ask() (far []Run) {
	for _, r := range w.Next(w.now).Requests {
		if !w.peers[r.Peer].local {
			far = append(far, r.Runs...)
		}
		for _, run := range r.Runs {
			for i := range run.Count {
				w.queue = append(w.queue, coming{run.First + i, r.Peer})
			}
		}
	}
	return far
}

// step does what the plan says, and lets a chunk come.
func (w *waits) step() {
	if len(w.queue) > 0 {
		w.Got(w.queue[0].chunk, w.queue[0].from, w.now)
		w.queue, w.last = w.queue[1:], w.now
	}
	w.ask()
	w.now = w.now.Add(10 * time.Millisecond)
	if len(w.queue) == 0 {
		w.now = w.now.Truncate(time.Second).Add(time.Second)
	}
}

// deliver lets all come that a peer was asked for.
func (w *waits) deliver(from ident.NodeID) {
	for _, c := range w.queue {
		if c.from == from {
			w.Got(c.chunk, from, w.now)
		}
	}
	w.queue = slices.DeleteFunc(w.queue, func(c coming) bool { return c.from == from })
}

// Whatever mates say that they are getting, nobody waits for them for much longer than claimMost if they bring nothing, or less than
// they say; and not at all for what is here.
func TestWordsWithoutBytes(t *testing.T) {
	const chunks = 600
	for name, c := range map[string]struct {
		say  func(w *waits, id ident.NodeID, k int)
		most time.Duration
	}{
		"what is here": {func(w *waits, id ident.NodeID, _ int) { w.PeerTakes(id, []Run{{0, 1}}, w.now) }, TakeOver},
		"all": {func(w *waits, id ident.NodeID, _ int) {
			w.PeerTakes(id, []Run{{0, chunks}}, w.now)
		}, claimMost},
		"now this, now that": {func(w *waits, id ident.NodeID, k int) {
			w.PeerTakes(id, []Run{{chunks / 2 * (k % 2), chunks / 2}}, w.now)
		}, claimMost},
		"all, now and then nothing": {func(w *waits, id ident.NodeID, k int) {
			w.PeerTakes(id, []Run{{0, chunks}}[:min(k%50, 1)], w.now)
		}, claimMost},
		"all, and it comes back again and again": {func(w *waits, id ident.NodeID, k int) {
			if k%50 == 49 {
				w.PeerGone(id)
				w.meet(id)
			}
			w.PeerTakes(id, []Run{{0, chunks}}, w.now)
		}, claimMost},
		"all, and it brings one now and then": {func(w *waits, id ident.NodeID, k int) {
			if k%100 == 99 {
				w.PeerHas(id, 1+k/100, w.now)
			}
			w.PeerTakes(id, []Run{{0, chunks}}, w.now)
		}, claimMost},
	} {
		for _, mates := range []int{1, 2} {
			w := newWaits(chunks, mates)
			began, said := w.now, 0
			for !w.Done() {
				for ; said <= int(w.now.Sub(began)/tellAgain); said++ {
					for _, id := range w.mates {
						c.say(w, id, said)
					}
				}
				if w.step(); w.now.Sub(began) > time.Hour {
					t.Fatalf("%s, %d mates: %d chunks of %d are missing after an hour", name, mates, w.left, chunks)
				}
			}
			// Half a second of it is what the link takes for all chunks.
			if took := w.last.Sub(began); took > c.most+4*TakeOver {
				t.Errorf("%s, %d mates: it took %v", name, mates, took)
			}
		}
	}
}

// A mate behind an uplink of 64 kbit/s, which is silent for half a minute first, is believed: what it says that it gets is asked for by
// nobody else, for as long as it takes.
func TestSlowMateIsBelieved(t *testing.T) {
	const chunks, each = 640, 4 * time.Second
	w := newWaits(chunks, 1)
	slow, began := w.mates[0], w.now
	for ; w.now.Sub(began) < 6*claimMost; w.now = w.now.Add(tellAgain) {
		w.deliver(slow)
		took := w.now.Sub(began)
		at := 1 + max(0, int((took-uplinkStall)/each)) // what it gets now, of 1 MiB that it asked for
		w.PeerHasRun(slow, Run{1, at - 1}, w.now)
		w.PeerTakes(slow, []Run{{at, 32}}, w.now)
		for _, r := range w.ask() {
			if r.First < at+32 {
				t.Fatalf("after %v %v is asked for over the uplink; the mate is getting 32 from %d on", took, r, at)
			}
		}
	}
}

// That somebody of the site says that it has all, and gives nothing, does not make a mate's word worth less.
func TestWordsBesideABoaster(t *testing.T) {
	w := newWaits(64, 1)
	boaster := ident.NodeID{2}
	w.PeerUp(boaster, "s", w.now)
	w.PeerHasRun(boaster, Run{0, 64}, w.now)
	for range distrust {
		w.now = w.now.Add(maxRest)
		w.Next(w.now)
		w.Failed(boaster, w.now)
	}
	w.PeerTakes(w.mates[0], []Run{{5, 3}}, w.now)
	if !w.Believes(w.mates[0]) {
		t.Error("a mate that gets what only a boaster has is not believed")
	}
	w.PeerHas(w.mates[0], 5, w.now)
	if v := w.peers[w.mates[0]].vow; v.brings != 1 || v.owes != 3 {
		t.Errorf("it owes %d chunks and brought %d, want 3 and 1", v.owes, v.brings)
	}
}
