package distribute

import (
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// source is a peer as a task sees it.
type source struct {
	n       *neighbour
	wants   bool
	listed  bool          // it has the chunk list
	early   *store.Bitmap // what it said it has, while there is no plan
	takes   []planner.Run // what it said it is getting over the uplink
	took    time.Time     // when it said so
	share   planner.Share // what it said it gives to this site first
	whole   bool
	told    bool      // it has said what it has to say at first: see Planner.PeerTold
	waited  time.Time // when it said last that what it was asked for waits
	refused int       // times that it did not give the chunk list
	after   time.Time // not to be asked for it before
	fetcher *fetcher  // nil while nothing is asked of it
}

// introduce tells the plan of a source. The caller holds mu.
func (t *task) introduce(src *source) {
	id, now := src.n.id, time.Now()
	t.plan.PeerUp(id, src.n.site, now)
	t.plan.PeerWants(id, src.wants, now)
	if src.early != nil && !t.planBitmap(src, now) && !t.bad[id] {
		t.bad[id] = true
		t.wg.Go(func() { t.swarm.misbehaved(id, errOtherBlob) })
	}
	if src.whole {
		t.plan.PeerHasAll(id, now)
	}
	t.plan.PeerTakes(id, src.takes, now)
	t.plan.PeerShares(id, src.share)
	if src.told {
		t.plan.PeerTold(id)
	}
	if t.bad[id] {
		t.plan.Bad(id)
	}
}

// planBitmap reports whether the bitmap is one for this blob. The caller holds mu.
func (t *task) planBitmap(src *source, now time.Time) bool {
	b := src.early
	src.early = nil
	if b.Len() != len(t.object.Chunks()) {
		return false
	}
	for i := 0; i < b.Len(); {
		run := planner.Run{First: i}
		for ; i < b.Len() && b.Has(i); i++ {
			run.Count++
		}
		t.plan.PeerHasRun(src.n.id, run, now)
		i++
	}
	return true
}

// drop ends the exchange with a peer; what it still delivers is welcome. The caller holds the task's mu.
func (src *source) drop() {
	if src.fetcher != nil {
		src.fetcher.cancel()
		src.fetcher = nil
	}
}

// peerUp adds a peer and asks it to tell what it has. The caller may hold swarm.mu.
func (t *task) peerUp(n *neighbour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.sources[n.id]; old != nil { // it came back before it was told to be gone
		t.remove(old)
	}
	src := &source{n: n, wants: n.wanting(t.object.Digest)}
	t.sources[n.id] = src
	if t.plan != nil {
		t.introduce(src)
	}
	n.askFor(t)
	t.poke()
}

// peerDown takes a peer away, unless it is there again.
func (t *task) peerDown(n *neighbour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if src := t.sources[n.id]; src != nil && src.n == n {
		t.remove(src)
		t.poke()
	}
}

// remove takes a source away. The caller holds mu.
func (t *task) remove(src *source) {
	src.drop()
	delete(t.sources, src.n.id)
	if t.plan != nil {
		t.plan.PeerGone(src.n.id)
	}
}

func (t *task) peerWants(id ident.NodeID, wants bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if src := t.sources[id]; src != nil {
		src.wants = wants
		if t.plan != nil {
			t.plan.PeerWants(id, wants, time.Now())
		}
	}
	t.poke()
}

// peerHas takes in what a peer says that it has; it reports whether that fits the blob.
func (t *task) peerHas(n *neighbour, m message) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.poke()
	src := t.sources[n.id]
	if src == nil || src.n != n {
		return true // it will be asked again
	}
	now, ok := time.Now(), true
	switch m.kind {
	case msgWhole:
		src.whole, src.listed = true, true
		if t.plan != nil {
			t.plan.PeerHasAll(n.id, now)
		}
		t.hasTold(src)
	case msgBitmap:
		src.early, src.listed = m.bitmap, true
		if t.plan != nil {
			ok = t.planBitmap(src, now)
		}
	case msgTaking:
		ok = t.peerTakes(src, m.runs, now)
	case msgShare:
		if src.share = m.share; t.plan != nil {
			t.plan.PeerShares(n.id, m.share)
		}
	case msgGot:
		ok = t.peerGot(src, m.runs, now)
	case msgWaits:
		if src.waited = now; t.plan != nil {
			t.plan.Waits(n.id, now)
		}
	}
	if !ok {
		t.bad[n.id] = true
		if t.plan != nil {
			t.plan.Bad(n.id)
		}
	}
	return ok
}

// peerTakes takes note of what a mate is getting over the uplink. The caller holds mu.
func (t *task) peerTakes(src *source, runs []planner.Run, now time.Time) bool {
	if len(runs) > 0 && t.object.Chunks() != nil {
		if last := runs[len(runs)-1]; last.First+last.Count > len(t.object.Chunks()) {
			return false
		}
	}
	if src.takes, src.took = runs, now; t.plan != nil {
		t.plan.PeerTakes(src.n.id, runs, now)
	}
	t.hasTold(src)
	return true
}

// hasTold takes note that a peer has said what it has to say at first: last of all what it is getting. That it wants the blob says nothing of
// that: it may have been at it for long, and be connected only now. The caller holds mu.
func (t *task) hasTold(src *source) {
	if src.told = true; t.plan != nil {
		t.plan.PeerTold(src.n.id)
	}
}

// peerGot adds runs to what a peer has. What it says before it gave a bitmap will be in the
// bitmap. The caller holds mu.
func (t *task) peerGot(src *source, runs []planner.Run, now time.Time) bool {
	if len(runs) == 0 || t.plan == nil && src.early == nil {
		return true
	}
	most := len(t.object.Chunks())
	if t.plan == nil {
		most = src.early.Len()
	}
	last := runs[len(runs)-1] // they ascend
	if last.First+last.Count > most {
		return false
	}
	for _, r := range runs {
		if t.plan != nil {
			t.plan.PeerHasRun(src.n.id, r, now)
			continue
		}
		for i := r.First; i < r.First+r.Count; i++ {
			src.early.Set(i)
		}
	}
	return true
}
