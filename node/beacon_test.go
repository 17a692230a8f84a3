package node

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"selvage/internal/ident"
	"selvage/ledger"
)

func beaconBodyFor(t testing.TB) body[beacon] {
	t.Helper()
	c, err := newBeacons()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mate is a node of the site that the tests are about.
func mate(i byte) ident.NodeID { return ident.NodeID{i, 0, 0, i} }

func mates(is ...byte) (out []ident.NodeID) {
	for _, i := range is {
		out = append(out, mate(i))
	}
	return out
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestBeaconRoundTrip(t *testing.T) {
	c := beaconBodyFor(t)
	b := beacon{Alive: shorts(mates(3, 1)), Ends: []beaconEnd{{Author: short(mate(2)), Seq: 7}}, Pace: 60, Epoch: 1 << 40}
	data, err := c.encode(b)
	if err != nil {
		t.Fatal(err)
	}
	back, err := c.decode(data)
	if diff := cmp.Diff(b, back, cmpopts.IgnoreUnexported(beaconEnd{})); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	if !back.lists(mate(1)) || back.lists(mate(2)) || !back.ends(mate(2), 7) || back.ends(mate(2), 8) || back.ends(mate(1), 1) {
		t.Errorf("it says %+v", back)
	}
}

// TestBeaconOfMany: the largest site's beacon fits into an entry, and others believe it.
func TestBeaconOfMany(t *testing.T) {
	c := beaconBodyFor(t)
	b := beacon{Pace: 600}
	var all []ident.NodeID
	for i := range 2 * maxBeaconAlive {
		all = append(all, ident.NodeID{byte(i >> 8), byte(i), 1, 1, 1})
	}
	b.Alive = shorts(all)
	for i := range maxBeaconEnds {
		b.Ends = append(b.Ends, beaconEnd{Author: short(all[i]), Seq: 1 << 61})
	}
	data, err := c.encode(b)
	if err != nil || len(data) > ledger.MaxBody {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if _, err := c.decode(data); err != nil {
		t.Error(err)
	}
}

func FuzzBeacon(f *testing.F) {
	c := beaconBodyFor(f)
	for _, b := range []beacon{{}, {Alive: shorts(mates(1, 2)), Ends: []beaconEnd{{Author: short(mate(3)), Seq: 9}}, Pace: 10}} {
		data, err := c.encode(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := c.decode(data)
		if err != nil {
			return
		}
		if d := b.life(); d < 3*minPace || d > 3*maxPace {
			t.Fatalf("it counts for %v", d)
		}
		b.lists(mate(1))
		b.ends(mate(1), 1)
		again, err := c.encode(b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.decode(again)
		if diff := cmp.Diff(b, back, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(beaconEnd{})); diff != "" || err != nil && len(again) <= maxBeacon {
			t.Fatalf("%v: %s", err, diff)
		}
	})
}

func TestBeaconPace(t *testing.T) {
	for sites, want := range map[int]time.Duration{0: 10 * time.Second, 3: 10 * time.Second, 20: time.Minute, 100: 5 * time.Minute, 4000: 10 * time.Minute} {
		if got := beaconPace(sites); got != want {
			t.Errorf("%d sites: %v, want %v", sites, got, want)
		}
	}
}

func TestCounting(t *testing.T) {
	beaconOf := func(author byte, seq uint64, ago time.Duration, ends ...beaconEnd) heardBeacon {
		return heardBeacon{mate(author), seq, noon.Add(-ago), beacon{Alive: shorts(mates(author)), Ends: ends, Pace: 10}}
	}
	end := func(author byte, seq uint64) beaconEnd { return beaconEnd{Author: short(mate(author)), Seq: seq} }
	for what, c := range map[string]struct {
		all  []heardBeacon
		want []ident.NodeID
	}{
		"none":                         {nil, nil},
		"one":                          {[]heardBeacon{beaconOf(1, 1, time.Second)}, mates(1)},
		"one that is over":             {[]heardBeacon{beaconOf(1, 1, 30*time.Second)}, nil},
		"a successor":                  {[]heardBeacon{beaconOf(1, 4, time.Second), beaconOf(2, 1, 0, end(1, 4))}, mates(2)},
		"one that answered":            {[]heardBeacon{beaconOf(1, 5, time.Second), beaconOf(2, 1, 0, end(1, 4))}, mates(1, 2)},
		"a successor that is over":     {[]heardBeacon{beaconOf(1, 4, time.Second), beaconOf(2, 1, time.Minute, end(1, 4))}, nil},
		"one that would end itself":    {[]heardBeacon{beaconOf(1, 4, time.Second, end(1, 9))}, mates(1)},
		"two that end each other":      {[]heardBeacon{beaconOf(1, 4, 0, end(2, 1)), beaconOf(2, 1, 0, end(1, 4))}, nil},
		"two that do not":              {[]heardBeacon{beaconOf(1, 4, 0), beaconOf(2, 1, 0)}, mates(1, 2)},
		"one came while the clock was": {[]heardBeacon{beaconOf(1, 4, -time.Hour)}, mates(1)},
	} {
		var got []ident.NodeID
		for _, b := range counting(c.all, noon) {
			got = append(got, b.author)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v count, want %v", what, got, c.want)
		}
	}
}

func TestSigns(t *testing.T) {
	old := heardBeacon{mate(1), 1, noon.Add(-time.Minute), beacon{Alive: shorts(mates(1, 2)), Pace: 60}}
	for what, c := range map[string]struct {
		beacons   []heardBeacon
		id        byte
		reported  time.Time
		seen      time.Time
		reachable bool
	}{
		"never heard of":                        {nil, 2, time.Time{}, time.Time{}, false},
		"just reported, no beacon yet":          {nil, 2, noon.Add(-20 * time.Second), noon.Add(-20 * time.Second), true},
		"reported long ago, no beacon":          {nil, 2, noon.Add(-40 * time.Second), noon.Add(-40 * time.Second), false},
		"listed":                                {[]heardBeacon{old}, 2, noon.Add(-time.Hour), noon.Add(-time.Minute), true},
		"listed, and reported since":            {[]heardBeacon{old}, 2, noon.Add(-time.Second), noon.Add(-time.Second), true},
		"not listed, reported before":           {[]heardBeacon{old}, 3, noon.Add(-2 * time.Minute), noon.Add(-2 * time.Minute), false},
		"not listed, reported since":            {[]heardBeacon{old}, 3, noon.Add(-20 * time.Second), noon.Add(-20 * time.Second), true},
		"not listed by one of a site's parts":   {[]heardBeacon{old, {mate(3), 1, noon, beacon{Alive: shorts(mates(3))}}}, 2, time.Time{}, noon.Add(-time.Minute), true},
		"not listed yet, but it reported a bit": {[]heardBeacon{{mate(3), 1, noon, beacon{Alive: shorts(mates(3))}}}, 2, noon.Add(-3 * time.Second), noon.Add(-3 * time.Second), true},
	} {
		seen, reachable := signs(mate(c.id), c.beacons, c.reported, noon)
		if !seen.Equal(c.seen) || reachable != c.reachable {
			t.Errorf("%s: seen %v, reachable %v", what, seen, reachable)
		}
	}
}

// testSite is heralds of one site, which hear of each other's beacons at once, and of who is alive
// as the test says.
type testSite struct {
	now     time.Time
	heralds map[ident.NodeID]*herald
	alive   map[ident.NodeID][]ident.NodeID // as each sees it; none if it is dead
	leader  ident.NodeID
	heard   map[ident.NodeID]heardBeacon
	count   int // of beacons
}

func newTestSite(is ...byte) *testSite {
	s := &testSite{now: noon, heralds: map[ident.NodeID]*herald{}, alive: map[ident.NodeID][]ident.NodeID{}, heard: map[ident.NodeID]heardBeacon{}}
	for _, id := range mates(is...) {
		s.heralds[id] = newHerald(id, s.now)
	}
	s.part(mates(is...))
	return s
}

// part has the site fall into parts, each of which sees itself only. Who is in none is dead.
func (s *testSite) part(parts ...[]ident.NodeID) {
	clear(s.alive)
	for _, p := range parts {
		for _, id := range p {
			s.alive[id] = p
		}
	}
}

func (s *testSite) beacons() (out []heardBeacon) {
	for _, b := range s.heard {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b heardBeacon) int { return a.author.Compare(b.author) })
	return out
}

// run lets time pass, a second at a time.
func (s *testSite) run(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(time.Second) {
		for _, i := range slices.SortedFunc(mapKeys(s.heralds), ident.NodeID.Compare) {
			if s.alive[i] == nil {
				continue
			}
			b, wait := s.heralds[i].step(siteView{now: s.now, alive: s.alive[i], beacons: s.beacons(), pace: minPace, leader: s.leader})
			if b != nil {
				s.count++
				s.heard[i] = heardBeacon{i, s.heard[i].seq + 1, s.now, *b}
			} else if wait <= 0 {
				panic("nothing to wait for")
			}
		}
	}
}

func mapKeys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// shown returns whom others see alive.
func (s *testSite) shown() (out []ident.NodeID) {
	for id := range s.heralds {
		if slices.ContainsFunc(counting(s.beacons(), s.now), func(b heardBeacon) bool { return b.lists(id) }) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, ident.NodeID.Compare)
	return out
}

func (s *testSite) living() (out []ident.NodeID) {
	for id, p := range s.alive {
		if p != nil {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, ident.NodeID.Compare)
	return out
}

// TestLeaderSpeaksFirst: who leads the site publishes its beacon, whoever that is.
func TestLeaderSpeaksFirst(t *testing.T) {
	for _, leader := range mates(1, 2, 3, 4, 5) {
		s := newTestSite(1, 2, 3, 4, 5)
		s.leader = leader
		s.run(time.Minute)
		b := counting(s.beacons(), s.now)
		if len(b) != 1 || b[0].author != leader {
			t.Errorf("%v leads: %+v", leader, b)
		}
	}
}

// TestHeraldsSpeakOnce: while nothing happens, a site has one beacon at a time, at its pace.
func TestHeraldsSpeakOnce(t *testing.T) {
	s := newTestSite(1, 2, 3, 4, 5)
	s.run(time.Minute)
	before := s.count
	s.run(10 * minPace)
	if n := s.count - before; n < 9 || n > 10 {
		t.Errorf("%d beacons in ten paces", n)
	}
	if !slices.Equal(s.shown(), s.living()) {
		t.Errorf("%v are shown", s.shown())
	}
}

// TestHeraldDies: whoever dies, also the one that speaks, is not shown any more soon after his mates miss him.
func TestHeraldDies(t *testing.T) {
	for dead := byte(1); dead <= 5; dead++ {
		s := newTestSite(1, 2, 3, 4, 5)
		s.run(time.Minute)
		s.part(slices.DeleteFunc(mates(1, 2, 3, 4, 5), func(id ident.NodeID) bool { return id == mate(dead) }))
		s.run(beaconSettle + beaconGap + 2*time.Second)
		if !slices.Equal(s.shown(), s.living()) {
			t.Errorf("%d died: %v are shown", dead, s.shown())
		}
	}
}

// TestHeraldHangs: if the one that speaks does not, though he seems to be alive, the next does.
func TestHeraldHangs(t *testing.T) {
	s := newTestSite(1, 2, 3)
	s.run(time.Minute)
	for id, b := range s.heard {
		if s.now.Sub(b.received) <= minPace {
			delete(s.heralds, id)
		}
	}
	s.run(4 * minPace)
	if len(counting(s.beacons(), s.now)) == 0 {
		t.Error("nobody speaks")
	}
}

// TestSiteFallsApart: both parts of a site that cannot see each other, but are heard, are shown alive,
// and there is no end of answers to each other.
func TestSiteFallsApart(t *testing.T) {
	s := newTestSite(1, 2, 3, 4, 5)
	s.run(time.Minute)
	s.part(mates(1, 2), mates(3, 4, 5))
	s.run(20 * time.Second)
	for range 30 {
		s.run(time.Second)
		if len(s.shown()) != 5 {
			t.Fatalf("%v are shown", s.shown())
		}
	}
	before := s.count
	s.run(10 * minPace)
	if n := s.count - before; n > 22 {
		t.Errorf("%d beacons in ten paces", n)
	}
	s.part(mates(1, 2, 3, 4, 5))
	s.run(20 * time.Second)
	if n := len(counting(s.beacons(), s.now)); n != 1 || len(s.shown()) != 5 {
		t.Errorf("one again: %d beacons count, %v are shown", n, s.shown())
	}
}

// TestHeraldsAtRandom: whatever has happened, a while after the last of it everybody who is alive is
// shown, and nobody else.
func TestHeraldsAtRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newTestSite(1, 2, 3, 4, 5, 6)
		for range rapid.IntRange(0, 6).Draw(t, "turns") {
			parts := make([][]ident.NodeID, 3) // the last are dead
			for i := byte(1); i <= 6; i++ {
				p := rapid.IntRange(0, 2).Draw(t, "part")
				parts[p] = append(parts[p], mate(i))
			}
			s.part(parts[0], parts[1])
			for _, id := range parts[2] { // it starts anew, if it does
				s.heralds[id] = newHerald(id, s.now)
			}
			s.run(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
		}
		s.run(4 * minPace)
		if !slices.Equal(s.shown(), s.living()) {
			t.Fatalf("%v live, %v are shown", s.living(), s.shown())
		}
	})
}

func TestShortsAreSorted(t *testing.T) {
	if !bytes.Equal(shorts(mates(3, 1, 2)), shorts(mates(2, 3, 1))) {
		t.Error("the order of members matters")
	}
}

// TestHeardLease: of two parts of another site that each say who leads it, the one is believed that came to lead last.
func TestHeardLease(t *testing.T) {
	t.Parallel()
	f := found(t)
	one, two, three := mate(1), mate(2), mate(3)
	heard := []heardBeacon{{author: one, beacon: beacon{Epoch: 7}}, {author: two, beacon: beacon{Epoch: 9}}, {author: three}}
	for range 2 {
		if l := f.founder.heardLease(heard); l.Holder != two || l.Epoch != 9 {
			t.Errorf("%+v", l)
		}
		slices.Reverse(heard)
	}
	if l := f.founder.heardLease(heard[2:]); !l.Holder.IsZero() {
		t.Errorf("nobody leads: %+v", l)
	}
}
