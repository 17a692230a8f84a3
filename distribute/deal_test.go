package distribute

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"selvage/distribute/planner"
	"selvage/internal/ident"
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

// deals checks that some nodes deal a blob out among all of some sites, in that order, and give those that ask them theirs.
func deals(t *testing.T, d Digest, sites []string, by ...*node) {
	t.Helper()
	given := map[string]bool{}
	for _, n := range by {
		for site, share := range n.dealt(d) {
			given[site] = true
			if want := planner.Deal(slices.Index(sites, site), len(sites)); share != want {
				t.Errorf("%s is given %+v by node %d, want %+v", site, share, n.port.id[0], want)
			}
		}
	}
	if len(given) != len(sites) {
		t.Errorf("dealt out among %v, want %v", slices.Sorted(maps.Keys(given)), sites)
	}
}

// Two nodes of a site that have a blob, of which each is asked by some sites, deal it out among all of them, who came first first; also among those
// that come later, and not among those that went. Where the two do not know each other each deals by itself.
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
			time.Sleep(100 * time.Millisecond)
			return n
		}
		b := asks("b", one)
		asks("c", one)
		asks("d", two)
		asks("e", one, two)
		time.Sleep(time.Second)
		deals(t, want.Digest, []string{"b", "c", "d", "e"}, one, two)

		w.net.disconnect(b.port, one.port)
		asks("f", two)
		asks("g", two)
		time.Sleep(time.Second)
		deals(t, want.Digest, []string{"c", "d", "e", "f", "g"}, one, two)

		w.net.breakAll() // what one heard of the other is to be said again
		time.Sleep(time.Minute)
		deals(t, want.Digest, []string{"c", "d", "e", "f", "g"}, one, two)

		w.net.disconnect(one.port, two.port)
		time.Sleep(time.Second)
		deals(t, want.Digest, []string{"c", "e"}, one)
		deals(t, want.Digest, []string{"d", "e", "f", "g"}, two)

		w.net.connect(one.port, two.port)
		time.Sleep(time.Second)
		deals(t, want.Digest, []string{"c", "d", "e", "f", "g"}, one, two)
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
		liar.speak(seed, message{kind: msgDeals, digest: want.Digest, askers: []asker{{1, 1}, {2, 2}, {3, 3}}}.append(nil))
		time.Sleep(time.Second)
		if got := seed.dealt(want.Digest); !maps.Equal(got, map[string]planner.Share{"c": {Place: 0, Of: 1}}) {
			t.Errorf("dealt %v", got)
		}
		if reason := seed.blames(liar.port.id); !strings.Contains(reason, "another site") {
			t.Errorf("blamed for %q", reason)
		}
	})
}

// A node that is asked for more blobs than one peer may want, by several, is no liar to its mates.
func TestDealsOfManyBlobs(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed, mate := w.node("a"), w.node("a")
		w.net.connect(seed.port, mate.port)
		var asked [2][]byte
		for k := range maxWants + 2 {
			d := seed.add([]byte{byte(k), byte(k >> 8)}).Digest
			asked[k%2] = message{kind: msgWant, digest: d}.append(asked[k%2])
		}
		for k, site := range []string{"b", "c"} {
			far := w.node(site)
			w.net.connect(far.port, seed.port)
			w.net.wg.Go(func() { far.speak(seed, asked[k]) })
		}
		time.Sleep(time.Minute)
		if reason := mate.blames(seed.port.id); reason != "" {
			t.Errorf("blamed for %q", reason)
		}
	})
}

// wantedBy has some sites of which a node knows want a blob, and no others.
func (n *node) wantedBy(d Digest, sites ...string) {
	n.swarm.mu.Lock()
	defer n.swarm.mu.Unlock()
	clear(n.swarm.peers)
	for k, site := range sites {
		id := ident.NodeID{1, byte(k), byte(k >> 8)}
		n.swarm.peers[id] = newNeighbour(n.swarm, id, site)
		n.swarm.peers[id].wants[d] = true
	}
	n.swarm.dealOut(d)
}

func sites(from, n int) (all []string) {
	for k := range n {
		all = append(all, fmt.Sprint("site ", from+k))
	}
	return all
}

// A blob that many sites have asked for in the course of time is dealt out among those that do now.
func TestDealsAfterManySites(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed := w.node("a")
		d := seed.add(content(33, 1<<20)).Digest
		seed.wantedBy(d, sites(0, planner.MaxShares)...)
		seed.wantedBy(d, "late")
		time.Sleep(time.Second)
		seed.wantedBy(d, "late", "later")
		deals(t, d, []string{"late", "later"}, seed)
	})
}

// Sites beyond those that are told apart do not all get the same.
func TestDealsAmongTooManySites(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		seed := w.node("a")
		d := seed.add(content(34, 1<<20)).Digest
		const many = planner.MaxShares + 100
		seed.wantedBy(d, sites(0, many)...)
		given, most := map[planner.Share]int{}, 0
		for _, share := range seed.dealt(d) {
			given[share]++
			most = max(most, given[share])
		}
		if most > 10 {
			t.Errorf("%d sites are given the same", most)
		}
	})
}

// A fetch that begins anew at once is told its share again.
func TestDealsToFetchAnew(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		w.net.uplink("a", 64<<10, 20*time.Millisecond)
		seed, n := w.node("a"), w.node("b")
		want := seed.add(content(35, 8<<20))
		w.net.connect(seed.port, n.port)
		_ = n.fetch(want, 10*time.Second) // it is not done by then
		w.net.wg.Go(func() { _ = n.fetch(want, time.Minute) })
		time.Sleep(10 * time.Second)
		task := n.swarm.task(want.Digest)
		task.mu.Lock()
		defer task.mu.Unlock()
		if got := task.sources[seed.port.id].share; got != (planner.Share{Place: 0, Of: 1}) {
			t.Errorf("the share is %+v", got)
		}
	})
}
