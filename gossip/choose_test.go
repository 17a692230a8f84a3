package gossip

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

func TestChoose(t *testing.T) {
	var mates, far []ident.NodeID
	for i := range 5 {
		mates, far = append(mates, nodeID(0, i)), append(far, nodeID(1, i))
	}
	links := 0
	for _, m := range mates {
		links += len(choose(m, mates, far))
	}
	if links != chosenLinks {
		t.Errorf("a site chooses %d links, want %d", links, chosenLinks)
	}
	if n := len(choose(mates[0], mates[:1], far)); n != chosenLinks {
		t.Errorf("a node that is alone chooses %d links, want %d", n, chosenLinks)
	}
	if n := len(choose(mates[0], nil, far[:1])); n != 1 {
		t.Errorf("of one link %d are chosen", n)
	}
	for _, m := range mates {
		one := choose(m, mates, far)
		if slices.Reverse(far); !slices.Equal(one, choose(m, mates, far)) {
			t.Error("the order of peers matters")
		}
	}
}

// links are those of a random fleet in which each node has linked to up to four others.
func links(rng *rand.Rand, sites, size int) map[ident.NodeID][]ident.NodeID {
	peers := map[ident.NodeID][]ident.NodeID{}
	for s := range sites {
		for i := range size {
			for range 4 {
				a, b := nodeID(s, i), nodeID(rng.IntN(sites), rng.IntN(size))
				if a[0] != b[0] && !slices.Contains(peers[a], b) {
					peers[a], peers[b] = append(peers[a], b), append(peers[b], a)
				}
			}
		}
	}
	return peers
}

// parts counts into how many parts a fleet falls that has only the links which pick returns.
func parts(sites, size int, peers map[ident.NodeID][]ident.NodeID, pick func(self ident.NodeID, mates, far []ident.NodeID) []ident.NodeID) int {
	joined := make([]int, sites) // a union-find without finesse
	for s := range sites {
		joined[s] = s
	}
	for s := range sites {
		var mates []ident.NodeID
		for i := range size {
			mates = append(mates, nodeID(s, i))
		}
		for _, m := range mates {
			for _, o := range pick(m, mates, peers[m]) {
				from, to := joined[s], joined[int(o[0])-1]
				for i := range joined {
					if joined[i] == from {
						joined[i] = to
					}
				}
			}
		}
	}
	return len(slices.Compact(slices.Sorted(slices.Values(joined))))
}

func anyLink(_ ident.NodeID, _, far []ident.NodeID) []ident.NodeID { return far }

// TestChosenLinksConnectFleets: in random fleets each site reaches every other over chosen links, if each node has
// a few links of its own choice. That is so almost surely; TestPartsAreJoined is about the fleets in which it is not.
func TestChosenLinksConnectFleets(t *testing.T) {
	const fleets = 500
	apart := 0
	for seed := range uint64(fleets) {
		rng := rand.New(rand.NewPCG(seed, 0))
		sites, size := 1+rng.IntN(60), 1+rng.IntN(4)
		if peers := links(rng, sites, size); parts(sites, size, peers, choose) > parts(sites, size, peers, anyLink) {
			apart++
		}
	}
	if apart > 0 {
		t.Errorf("%d of %d fleets are in parts", apart, fleets)
	}
}

// TestPartsAreJoined: where chosen links leave a fleet in parts, sessions find what was missed in one of them; after
// a few records that were missed, a link between the parts counts as chosen, and the next ones get there at once.
func TestPartsAreJoined(t *testing.T) {
	const sites = 7
	var peers map[ident.NodeID][]ident.NodeID
	for seed := uint64(0); ; seed++ {
		peers = links(rand.New(rand.NewPCG(seed, 0)), sites, 1)
		if parts(sites, 1, peers, choose) > 1 && parts(sites, 1, peers, anyLink) == 1 {
			break
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(sites, 1, true)
		defer f.close()
		f.admit()
		f.pairs(func(a, b *testNode) bool { return slices.Contains(peers[a.id], b.id) }, f.link)
		f.converge(t, time.Minute)
		time.Sleep(graftFor + time.Minute) // what was missed at the start has linked the parts; that wears off
		const most = 4
		misses := 0
		for i := 0; i == misses && misses <= most; i++ {
			f.nodes[0].log.publish("/durable/"+f.nodes[0].name, fmt.Sprint(i))
			time.Sleep(time.Second)
			if d := f.diverged(); d != "" {
				misses++
				t.Logf("%s missed record %d; all have it after %v", d, i, f.converge(t, 5*time.Minute))
				time.Sleep(time.Second) // the session ends, and the other end is told
			}
		}
		if misses == 0 || misses > most {
			t.Errorf("%d records in a row were missed, want some, and at most %d", misses, most)
		}
	})
}

// TestNewChoiceCatchesUp: what went to peers that were not there any more gets to the others as soon as they are missed,
// over the links that are chosen in their place.
func TestNewChoiceCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(8, 1, true)
		defer f.close()
		f.admit()
		f.pairs(all, f.link)
		f.converge(t, time.Minute)
		time.Sleep(graftFor + time.Minute)
		a := f.nodes[0]
		var silent []*testNode // those that a pushes to; they vanish, and nobody notices yet
		a.rep.mu.Lock()
		for _, n := range f.nodes[1:] {
			if a.rep.peers[n.id].eager() {
				silent = append(silent, n)
			}
		}
		a.rep.mu.Unlock()
		rest := slices.DeleteFunc(slices.Clone(f.nodes), func(n *testNode) bool { return slices.Contains(silent, n) })
		if len(rest) < 3 {
			t.Fatalf("%d of 8 nodes are left", len(rest))
		}
		for _, n := range silent {
			f.net.set(a.id, n.id, true)
		}
		a.log.publish("/durable/"+a.name, "news")
		time.Sleep(time.Second)
		for _, n := range silent {
			f.unlink(a, n)
			for _, o := range rest[1:] {
				f.unlink(n, o)
			}
		}
		time.Sleep(5 * time.Second)
		f.nodes = rest
		if d := f.diverged(); d != "" {
			t.Errorf("%s lacks the news five seconds after the others were missed", d)
		}
		f.nodes = append(rest, silent...)
	})
}

// TestRecordsCrossEdgesAFewTimes counts how often new records cross the edges of 20 sites.
func TestRecordsCrossEdgesAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(20, 3, true)
		defer f.close()
		var across atomic.Int64
		f.net.spy = func(from, to ident.NodeID, protocol string, _ []byte) {
			if from[0] != to[0] && protocol == pushProtocol {
				across.Add(1)
			}
		}
		rng := rand.New(rand.NewPCG(1, 1))
		f.pairs(func(a, b *testNode) bool { return a.site == b.site || rng.IntN(10) == 0 }, f.link)
		f.admit()
		f.converge(t, time.Minute)
		time.Sleep(time.Minute)
		across.Store(0)
		const records = 50
		for i := range records {
			author := f.nodes[rng.IntN(len(f.nodes))]
			author.log.publish("/durable/"+author.name, fmt.Sprint(i))
			time.Sleep(time.Second)
			if d := f.diverged(); d != "" {
				t.Fatalf("%s lacks what was written a second ago", d)
			}
		}
		times := float64(across.Load()) / records / 20
		t.Logf("a record crosses a site's edge %.2f times each way", times)
		if times > 2.2 {
			t.Errorf("a record crosses a site's edge %.2f times each way, want at most 2.2", times)
		}
	})
}

// TestChosenLinkBreaks: when the stream over a chosen link breaks, the link is claimed anew.
func TestChosenLinkBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(2, 1, true)
		defer f.close()
		f.admit()
		f.pairs(all, f.link)
		f.converge(t, time.Minute)
		f.net.set(f.nodes[0].id, f.nodes[1].id, true)
		f.net.set(f.nodes[0].id, f.nodes[1].id, false) // the peers notice nothing but their broken streams
		time.Sleep(10 * time.Second)
		for _, n := range f.nodes {
			n.log.publish("/durable/"+n.name, "news")
			time.Sleep(3 * relayDelay)
			if f.diverged() != "" {
				t.Errorf("news of %s has not come", n.name)
			}
		}
	})
}

func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours, others := map[string]Mark{}, map[string]Mark{}
		for i := range rapid.IntRange(0, 3000).Draw(t, "feeds") {
			m := Mark{Seq: uint64(i + 1)}
			ours[fmt.Sprint("feed ", i)], others[fmt.Sprint("feed ", i)] = m, m
		}
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			feed := fmt.Sprint("feed ", rapid.IntRange(0, 3100).Draw(t, "feed"))
			others[feed] = Mark{Seq: others[feed].Seq + 1}
		}
		mine, theirs := frontierOf(maps.All(ours)), frontierOf(maps.All(others))
		n := buckets(len(theirs))
		if n == 1 {
			return
		}
		digests := bucketDigests(theirs, n)
		if got, err := bucketCount(digests); err != nil || got != n {
			t.Fatalf("%d buckets, %v, want %d", got, err, n)
		}
		ask := differing(bucketDigests(mine, n), digests)
		shown := map[feedHash]Mark{}
		for _, m := range inBuckets(theirs, ask, n) {
			shown[m.Feed] = m.Mark
		}
		all := map[feedHash]Mark{}
		for _, m := range theirs {
			all[m.Feed] = m.Mark
		}
		got, want := compare(inBuckets(mine, ask, n), shown, places{}), compare(mine, all, places{})
		if !slices.Equal(got.Give, want.Give) || !slices.Equal(got.Want, want.Want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

func TestBucketCountOfGarbage(t *testing.T) {
	for _, n := range []int{0, 1, 4, 31, 36, 2048, 48} {
		if got, err := bucketCount(make([]byte, n)); err == nil {
			t.Errorf("%d bytes are taken for %d buckets", n, got)
		}
	}
}
