package distribute

import (
	"maps"
	"strings"
	"testing"
	"time"

	"selvage/distribute/planner"
)

// dealt returns the shares of a blob that a node has its peers told, by their sites.
func (n *node) dealt(d Digest) map[string]planner.Share {
	n.swarm.mu.Lock()
	defer n.swarm.mu.Unlock()
	out := map[string]planner.Share{}
	for _, peer := range n.swarm.peers {
		peer.mu.Lock()
		if s, ok := peer.deals[d]; ok {
			out[peer.site] = s.Share
		}
		peer.mu.Unlock()
	}
	return out
}

// parts checks that some nodes deal a blob out to all of so many sites, to each another part, and alike where a site is given its by both.
func parts(t *testing.T, d Digest, sites int, by ...*node) {
	t.Helper()
	dealt := map[string]planner.Share{}
	for _, n := range by {
		for site, share := range n.dealt(d) {
			if before, ok := dealt[site]; ok && before != share {
				t.Errorf("%s is given %v and %v", site, before, share)
			}
			dealt[site] = share
		}
	}
	given := map[planner.Share]bool{}
	for _, share := range dealt {
		given[share] = true
		if share.Of != sites {
			t.Errorf("a share is one of %d, want of %d", share.Of, sites)
		}
	}
	if len(given) != sites || len(dealt) != sites {
		t.Errorf("dealt %v, want %d parts for %d sites", dealt, sites, sites)
	}
}

// Two nodes of a site that have a blob, of which each is asked by some sites, deal it out among all of them; also among those that come
// later, and not among those that went. Where the two do not know each other each deals by itself.
func TestSeedsOfASiteDealAlike(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("a", 64<<10, 20*time.Millisecond)
		data := content(31, 8<<20)
		one, two := w.node("a"), w.node("a")
		want := one.add(data)
		two.add(data)
		w.net.connect(one.port, two.port)
		asks := func(site string, of ...*node) *node {
			n := w.node(site)
			for _, seed := range of {
				w.net.connect(n.port, seed.port)
			}
			w.net.wg.Go(func() { _ = n.fetch(want, time.Hour) }) // it ends with the test
			return n
		}
		b := asks("b", one)
		asks("c", one)
		asks("d", two)
		asks("e", one, two)
		time.Sleep(time.Second)
		parts(t, want.Digest, 4, one, two)

		w.net.disconnect(b.port, one.port)
		asks("f", two)
		asks("g", two)
		time.Sleep(time.Second)
		parts(t, want.Digest, 5, one, two)

		w.net.breakAll() // what one heard of the other is to be said again
		time.Sleep(time.Minute)
		parts(t, want.Digest, 5, one, two)

		w.net.disconnect(one.port, two.port)
		time.Sleep(time.Second)
		parts(t, want.Digest, 2, one)
		parts(t, want.Digest, 4, two)

		w.net.connect(one.port, two.port)
		time.Sleep(time.Second)
		parts(t, want.Digest, 5, one, two)
	})
}

// Nodes of other sites have no say in among whom this site deals out.
func TestDealsOfAnotherSite(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed, liar, n := w.node("a"), w.node("b"), w.node("c")
		data := content(32, 8<<20)
		w.net.uplink("a", 64<<10, 20*time.Millisecond)
		want := seed.add(data)
		w.net.connect(seed.port, liar.port)
		w.net.connect(seed.port, n.port)
		w.net.wg.Go(func() { _ = n.fetch(want, time.Hour) })
		liar.speak(seed, message{kind: msgDeals, digest: want.Digest, marks: []uint64{1, 2, 3}}.append(nil))
		time.Sleep(time.Second)
		if got := seed.dealt(want.Digest); !maps.Equal(got, map[string]planner.Share{"c": {Place: 0, Of: 1}}) {
			t.Errorf("dealt %v", got)
		}
		if reason := seed.blames(liar.port.id); !strings.Contains(reason, "another site") {
			t.Errorf("blamed for %q", reason)
		}
	})
}
