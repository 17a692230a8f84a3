package planner

import (
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// newsroom is nodes of several sites that hear whom their planners listen to. Nothing is given.
type newsroom struct {
	now   time.Time
	ids   []ident.NodeID
	sites []string
	plans []*Planner // nil: the node is dead
	hears [][]bool   // whether one is told by another
}

// newNewsroom begins the fetches of so many nodes of each site; linked reports whether two nodes are connected.
func newNewsroom(sites []string, nodes int, linked func(a, b int) bool) *newsroom {
	r := &newsroom{now: time.Unix(1e9, 0)}
	for _, site := range sites {
		for range nodes {
			r.ids = append(r.ids, nodeID(3, len(r.ids)))
			r.sites = append(r.sites, site)
			r.hears = append(r.hears, make([]bool, len(sites)*nodes))
		}
	}
	for k, id := range r.ids {
		r.plans = append(r.plans, New(Config{Self: id, Site: r.sites[k], Sizes: chunksOf(200, 32<<10), Have: func(int) bool { return false }, Began: r.now}))
	}
	for a, p := range r.plans {
		for b := range r.plans {
			if a != b && linked(a, b) {
				p.PeerUp(r.ids[b], r.sites[b], r.now)
				p.PeerWants(r.ids[b], true, r.now)
				r.hears[a][b] = r.sites[a] != r.sites[b]
			}
		}
	}
	return r
}

// settle lets some time pass.
func (r *newsroom) settle(d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); r.now = r.now.Add(100 * time.Millisecond) {
		for a, p := range r.plans {
			if p == nil {
				continue
			}
			e := p.Next(r.now)
			for _, id := range e.Listen {
				r.tell(a, id, true)
			}
			for _, id := range e.Ignore {
				r.tell(a, id, false)
			}
		}
	}
}

func (r *newsroom) tell(a int, id ident.NodeID, hears bool) {
	b := slices.Index(r.ids, id)
	r.hears[a][b] = hears
	if r.plans[b] != nil {
		r.plans[b].PeerWants(r.ids[a], hears, r.now)
	}
}

// die takes a node away.
func (r *newsroom) die(k int) {
	r.plans[k] = nil
	for a, p := range r.plans {
		r.hears[k][a], r.hears[a][k] = false, false
		if p != nil {
			p.PeerGone(r.ids[k])
		}
	}
}

// heard counts, for a node, whom it hears of each site.
func (r *newsroom) heard(a int) map[string]int {
	out := map[string]int{}
	for b, hears := range r.hears[a] {
		if hears {
			out[r.sites[b]]++
		}
	}
	return out
}

func everyone(int, int) bool { return true }

// checkCrews checks that two nodes of each site hear one of each other site, and the others nobody.
func (r *newsroom) checkCrews(t *testing.T, sites []string) {
	t.Helper()
	crews := map[string]int{}
	for a, p := range r.plans {
		if p == nil {
			continue
		}
		heard := r.heard(a)
		if !p.crewed.self && len(heard) > 0 {
			t.Errorf("node %d is not of the crew, and hears %v", a, heard)
		}
		if !p.crewed.self {
			continue
		}
		crews[r.sites[a]]++
		for _, site := range sites {
			if site != r.sites[a] && heard[site] != 1 {
				t.Errorf("node %d hears %d of %s, want one", a, heard[site], site)
			}
		}
	}
	for _, site := range sites {
		if crews[site] != crewSize {
			t.Errorf("the crew of %s is %d", site, crews[site])
		}
	}
}

// Who is not of the crew is told nothing by other sites, and who is by one of each; and so it is again when one of a crew is gone.
func TestNewsGoFromCrewToCrew(t *testing.T) {
	sites := []string{"a", "b", "c", "d"}
	r := newNewsroom(sites, 4, everyone)
	r.settle(2 * time.Second)
	r.checkCrews(t, sites)
	for k := range r.plans {
		if r.plans[k].crewed.self {
			r.die(k)
			break
		}
	}
	r.settle(2 * time.Second)
	r.checkCrews(t, sites)
}

// Sites whose crews reach none of each other's hear of each other by those that they do reach.
func TestNewsWithoutLinksOfCrews(t *testing.T) {
	whole := newNewsroom([]string{"a", "b"}, 5, everyone)
	whole.settle(2 * time.Second)
	r := newNewsroom([]string{"a", "b"}, 5, func(a, b int) bool {
		return whole.sites[a] == whole.sites[b] || !whole.plans[a].crewed.self || !whole.plans[b].crewed.self
	})
	r.settle(2 * time.Second)
	for a, p := range r.plans {
		if p.crewed.self && len(r.heard(a)) == 0 {
			t.Errorf("node %d is of the crew, and hears nobody", a)
		}
	}
}

// A crew to which nothing comes hears all, and asks even those that it did not hear before; once something comes, few again.
func TestHungryCrewHearsAll(t *testing.T) {
	r := newNewsroom([]string{"a", "b"}, 4, everyone)
	r.settle(2 * time.Second)
	of := slices.IndexFunc(r.plans, func(p *Planner) bool { return p.crewed.self })
	silent := -1
	for b := range r.plans {
		if r.sites[b] != r.sites[of] && !r.hears[of][b] {
			silent = b
		}
	}
	r.plans[of].PeerHasRun(r.ids[silent], Run{0, 4}, r.now)
	if e := r.plans[of].Next(r.now); len(e.Requests) > 0 {
		t.Fatalf("it asks %v, which need not tell", e.Requests)
	}
	wake := r.plans[of].Next(r.now).Wake
	r.settle(TakeOver)
	if n := r.heard(of)["b"]; n != 4 || wake.IsZero() || wake.After(r.now) {
		t.Errorf("it hears %d of 4, and was to be woken at %v", n, wake)
	}
	for i := range 4 {
		r.plans[of].Got(i, r.ids[silent], r.now)
	}
	r.settle(time.Second)
	if n := r.heard(of)["b"]; n == 4 {
		t.Error("it hears all, though something comes")
	}
}

// Who fails is not waited for: others of its site are heard at once.
func TestOneThatFailsIsNotHeardAlone(t *testing.T) {
	r := newNewsroom([]string{"a", "b"}, 4, everyone)
	r.settle(2 * time.Second)
	of := slices.IndexFunc(r.plans, func(p *Planner) bool { return p.crewed.self })
	p, heard := r.plans[of], r.ids[slices.Index(r.hears[of], true)]
	p.PeerHasRun(heard, Run{0, len(p.chunks) - 1}, r.now)
	r.settle(100 * time.Millisecond)
	if p.peers[heard].flight == 0 {
		t.Fatal("it is not asked")
	}
	p.Failed(heard, r.now)
	r.settle(100 * time.Millisecond)
	if n := r.heard(of)["b"]; n < 2 {
		t.Errorf("it hears %d of 4", n)
	}
}

// Who is not of the crew does not hear a seed either: it would be dealt a share there, which nobody of its site asks for.
func TestCrewHearsSeed(t *testing.T) {
	r := newNewsroom([]string{"a"}, 5, everyone)
	seed := nodeID(4, 0)
	hears := map[*Planner]bool{}
	for _, p := range r.plans {
		p.PeerUp(seed, "b", r.now)
		p.PeerHasAll(seed, r.now)
		hears[p] = true
	}
	r.now = r.now.Add(hearTime)
	for _, p := range r.plans {
		e := p.Next(r.now)
		hears[p] = hears[p] && !slices.Contains(e.Ignore, seed) || slices.Contains(e.Listen, seed)
		if hears[p] != p.crewed.self {
			t.Errorf("of the crew: %v; hears the seed: %v", p.crewed.self, hears[p])
		}
	}
}
