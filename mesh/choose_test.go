package mesh

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

// drawCandidates makes a random world as the node self sees it.
func drawCandidates(t *rapid.T, self ident.NodeID) []candidate {
	n := rapid.IntRange(0, 200).Draw(t, "nodes")
	sites := rapid.IntRange(1, 20).Draw(t, "sites")
	seed := rapid.Uint64().Draw(t, "seed")
	rng := rand.New(rand.NewPCG(seed, 0))
	all := make([]candidate, n)
	for i := range all {
		id := idOf(fmt.Sprint(seed, i))
		c := candidate{id: id, rank: affinity(self, id), hearsay: rng.IntN(4) == 0}
		if rng.IntN(6) > 0 {
			c.site = fmt.Sprint("s", rng.IntN(sites))
		}
		switch rng.IntN(5) {
		case 0:
			c.connected = c.site != ""
		case 1:
			c.dialling = true
		case 2, 3:
			c.ready = true
		}
		all[i] = c
	}
	return ranked(all)
}

// ranked orders candidates as a host hands them to choose.
func ranked(all []candidate) []candidate {
	return slices.SortedFunc(slices.Values(all), func(a, b candidate) int { return cmp.Or(cmp.Compare(a.rank, b.rank), a.id.Compare(b.id)) })
}

func find(all []candidate, id ident.NodeID) candidate {
	return all[slices.IndexFunc(all, func(c candidate) bool { return c.id == id })]
}

func TestChooseIsStableBoundedAndObeysBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		self := idOf("self")
		all := drawCandidates(t, self)
		held := rapid.Bool().Draw(t, "held")
		before := slices.Clone(all)
		dial := choose("s0", all, held)
		if !slices.Equal(all, before) {
			t.Fatal("it changed its input")
		}
		if s := slices.SortedFunc(slices.Values(dial), ident.NodeID.Compare); len(slices.Compact(s)) != len(dial) {
			t.Fatal("it dials somebody twice")
		}
		mates, strangers, standins := 0, 0, 0
		own := ownNeighbours("s0", slices.SortedFunc(slices.Values(all), func(a, b candidate) int { return int(min(max(int64(a.rank>>1)-int64(b.rank>>1), -1), 1)) }))
		for _, id := range dial {
			switch c := find(all, id); {
			case c.connected || c.dialling || !c.ready:
				t.Fatalf("it dials %+v", c)
			case c.site == "s0" && !c.hearsay:
				mates++
			case c.site == "" || c.site == "s0":
				strangers++
			case held:
				t.Fatalf("it dials %+v across a held uplink", c)
			case !slices.Contains(own, c):
				standins++
			}
		}
		if mates > maxSiteMates || strangers > maxStrangers || standins > neighbours {
			t.Fatalf("it dials %d mates, %d strangers, %d stand-ins", mates, strangers, standins)
		}
		checkComplete(t, all, dial, own, held)
	})
}

// checkComplete checks that nobody was left out who should be dialled.
func checkComplete(t *rapid.T, all []candidate, dial []ident.NodeID, own []candidate, held bool) {
	linkedMates, linkedFar := 0, 0
	for _, c := range all {
		switch {
		case slices.Contains(dial, c.id) || c.linked():
			if c.site == "s0" && !c.hearsay {
				linkedMates++
			} else if c.site != "" && c.site != "s0" {
				linkedFar++
			}
		}
	}
	for _, c := range all {
		if c.linked() || !c.ready || slices.Contains(dial, c.id) {
			continue
		}
		switch {
		case c.site == "s0" && !c.hearsay && linkedMates < maxSiteMates/2:
			t.Fatalf("%+v of the own site is left out", c)
		case held || c.site == "s0" || c.site == "":
		case slices.Contains(own, c):
			t.Fatalf("own neighbour %+v is left out", c)
		case linkedFar < farWanted("s0", all):
			t.Fatalf("%+v is left out, with %d neighbours", c, linkedFar)
		}
	}
}

func TestChooseSpreadsOverSites(t *testing.T) {
	self := idOf("self")
	var all []candidate
	for i := range 100 { // one big site, four small ones
		site := "big"
		if i < 4 {
			site = fmt.Sprint("small", i)
		}
		id := idOf(fmt.Sprint(i))
		all = append(all, candidate{id: id, rank: affinity(self, id), site: site, ready: true})
	}
	sites := map[string]int{}
	for _, id := range choose("s0", ranked(all), false) {
		sites[find(all, id).site]++
	}
	if len(sites) != neighbours {
		t.Errorf("neighbours are at %v", sites)
	}
}

// TestChooseConnectsFleets lets every node of a random fleet choose, knowing everyone, whatever it
// is connected to besides: the own neighbours alone must make the fleet one.
func TestChooseConnectsFleets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		sites := rapid.IntRange(1, 40).Draw(t, "sites")
		var ids []ident.NodeID
		var at []string
		for s := range sites {
			for i := range rapid.IntRange(1, 5).Draw(t, "nodes") {
				ids, at = append(ids, idOf(fmt.Sprint(seed, s, i))), append(at, fmt.Sprint("s", s))
			}
		}
		graph := make([][]int, len(ids))
		for i, self := range ids {
			var all []candidate
			for j, id := range ids {
				if i != j {
					all = append(all, candidate{id: id, rank: affinity(self, id), site: at[j], ready: true})
				}
			}
			for _, id := range choose(at[i], ranked(all), false) {
				j := slices.Index(ids, id)
				graph[i], graph[j] = append(graph[i], j), append(graph[j], i)
			}
		}
		reached, next := map[int]bool{0: true}, []int{0}
		for len(next) > 0 {
			i := next[0]
			next = next[1:]
			for _, j := range graph[i] {
				if !reached[j] {
					reached[j] = true
					next = append(next, j)
				}
			}
		}
		if len(reached) != len(ids) {
			t.Fatalf("%d of %d nodes are connected", len(reached), len(ids))
		}
	})
}

// TestPatient: beyond what a host wants it dials one more neighbour when that is due, and whom it does not know the place of and
// mates at any time.
func TestPatient(t *testing.T) {
	all := []candidate{{id: idOf("mate"), site: "s0"}, {id: idOf("stranger")}}
	dial := []ident.NodeID{idOf("mate"), idOf("stranger")}
	for i := range 6 {
		c := candidate{id: idOf(fmt.Sprint("far", i)), site: fmt.Sprint("s", i+1), connected: i < neighbours-1}
		all = append(all, c)
		if !c.connected {
			dial = append(dial, c.id)
		}
	}
	for due, want := range map[bool]int{false: 3, true: 4} { // of two nodes this site has; it wants four neighbours, and has three
		now := patient("s0", all, dial, due)
		if len(now) != want || !slices.Equal(now, dial[:want]) {
			t.Errorf("due %v: %d of %d are dialled", due, len(now), len(dial))
		}
	}
}

// TestHearsayWaits: a host without a neighbour dials the first of whom there is hearsay at once, and the next only when that is due;
// those whom somebody vouches for it dials as far as it wants neighbours.
func TestHearsayWaits(t *testing.T) {
	var all []candidate
	var dial []ident.NodeID
	for i := range 6 {
		c := candidate{id: idOf(fmt.Sprint("far", i)), site: fmt.Sprint("s", i+1), hearsay: i%2 == 0}
		all, dial = append(all, c), append(dial, c.id)
	}
	of := func(at ...int) (out []ident.NodeID) {
		for _, i := range at {
			out = append(out, dial[i])
		}
		return out
	}
	for due, want := range map[bool][]ident.NodeID{false: of(0, 1, 3, 5), true: of(0, 1, 2, 3)} {
		if now := patient("s0", all, dial, due); !slices.Equal(now, want) {
			t.Errorf("due %v: %d are dialled, %v", due, len(now), now)
		}
	}
}

// TestGroping: of those of whom not even the site is known one is dialled when that is due, and all others at any time.
func TestGroping(t *testing.T) {
	all := []candidate{{id: idOf("mate"), site: "s0"}, {id: idOf("blind 0")}, {id: idOf("far"), site: "s1"}, {id: idOf("blind 1")}}
	dial := []ident.NodeID{all[1].id, all[3].id, all[0].id, all[2].id}
	for due, want := range map[bool][]ident.NodeID{false: dial[2:], true: {dial[0], dial[2], dial[3]}} {
		if now := groping(all, dial, due); !slices.Equal(now, want) {
			t.Errorf("due %v: %d are dialled", due, len(now))
		}
	}
}

func TestBackoff(t *testing.T) {
	for _, c := range []struct {
		n     int
		most  time.Duration
		share float64
		want  time.Duration
	}{
		{0, backoffFar, 0, time.Second},
		{1, backoffFar, 0, time.Second},
		{3, backoffFar, 0, 4 * time.Second},
		{6, backoffFar, 0, 30 * time.Second},
		{6, backoffFar, 1, 45 * time.Second},
		{math.MaxInt, backoffFar, 0, 30 * time.Second},
		{math.MaxInt, backoffMate, 0, 5 * time.Second},
	} {
		if got := backoff(c.n, c.most, c.share); got != c.want {
			t.Errorf("backoff(%d, %v, %v) = %v, want %v", c.n, c.most, c.share, got, c.want)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	self := idOf("self")
	var all []candidate
	for i := range maxKnown {
		id := idOf(fmt.Sprint(i))
		all = append(all, candidate{id: id, rank: affinity(self, id), site: fmt.Sprint("s", i%200), ready: true})
	}
	all = ranked(all)
	for b.Loop() {
		choose("s0", all, false)
	}
}
