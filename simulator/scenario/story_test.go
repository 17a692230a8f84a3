package scenario

import (
	"fmt"
	"time"

	"pgregory.net/rapid"
)

// The generators below make scenarios of which each value is right by itself. Some do not make
// sense as a whole; valid leaves them out.

func times(most time.Duration) *rapid.Generator[time.Duration] {
	return rapid.Custom(func(t *rapid.T) time.Duration {
		unit := rapid.SampledFrom([]time.Duration{time.Second, 1}).Draw(t, "unit")
		return time.Duration(rapid.Int64Range(0, int64(most/unit)).Draw(t, "time")) * unit
	})
}

func shares() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.SampledFrom([]float64{0, 0.01, 0.07, 0.5, 1, 1e-9, 1.0 / 3}), rapid.Float64Range(0, 1))
}

func rates() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.SampledFrom([]int64{0, 64_000, 1_000_000, 1_500_000, 1_000_000_000}), rapid.Int64Range(0, maxRate))
}

func sizes(least, most int64) *rapid.Generator[int64] {
	return rapid.OneOf(rapid.SampledFrom([]int64{1000, 1024, 20_000_000, 64 << 10, 1 << 30}), rapid.Int64Range(least, most))
}

func links() *rapid.Generator[Link] {
	return rapid.Custom(func(t *rapid.T) Link {
		l := Link{Latency: times(maxLatency).Draw(t, "latency"), Jitter: times(maxLatency).Draw(t, "jitter"),
			Loss: shares().Draw(t, "loss"), Queue: sizes(0, maxQueue).Draw(t, "queue"), CoDel: rapid.Bool().Draw(t, "codel"),
			MTU:     rapid.SampledFrom([]int{0, 576, 1400, 9000}).Draw(t, "mtu"),
			Reorder: shares().Draw(t, "reorder"), Duplicate: shares().Draw(t, "duplicate")}
		if rapid.Bool().Draw(t, "bursts") {
			l.Burst = Burst{0.25, shares().Draw(t, "good"), shares().Draw(t, "bad loss")}
		}
		return l
	})
}

func uplinkGen() *rapid.Generator[Uplink] {
	return rapid.Custom(func(t *rapid.T) Uplink {
		u := Uplink{Up: rates().Draw(t, "up"), Down: rates().Draw(t, "down"), NAT: rapid.SampledFrom([]string{"", "cone", "symmetric"}).Draw(t, "nat")}
		if rapid.Bool().Draw(t, "bad link") {
			u.Link = links().Draw(t, "link")
		}
		if rapid.Bool().Draw(t, "duty") {
			u.Duty = Duty{times(time.Hour).Draw(t, "up")/2 + time.Millisecond, times(time.Hour).Draw(t, "every") + time.Millisecond, times(time.Hour).Draw(t, "offset")}
		}
		if rapid.Bool().Draw(t, "budget") {
			u.Allowance = Allowance{sizes(1, maxBytes).Draw(t, "bytes"), times(day).Draw(t, "per")}
		}
		return u
	})
}

func siteGen(i int) *rapid.Generator[Site] {
	return rapid.Custom(func(t *rapid.T) Site {
		s := Site{Name: fmt.Sprintf("s%d", i), Nodes: rapid.IntRange(1, 4).Draw(t, "nodes"), Uplink: uplinkGen().Draw(t, "uplink")}
		if rapid.Bool().Draw(t, "bad lan") {
			s.LAN = links().Draw(t, "lan")
		}
		value := rapid.SampledFrom([]string{"pos", "1.0", "true", "null", "", "a b", "ü: {x}", `"`, "-", "# x"})
		s.Labels = rapid.MapOfN(rapid.SampledFrom([]string{"tier", "true", "1"}), value, 0, 2).Draw(t, "labels")
		return s
	})
}

// places of a story with sites s0 to s2, of which some are not there.
func places() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"s0", "s1", "s2", "s0/n0", "s0/n1", "s1/n0", "s1/n1", "s2/n0", "s0/late"})
}

func faultGen(sites []Site) *rapid.Generator[Fault] {
	return rapid.Custom(func(t *rapid.T) Fault {
		f := Fault{At: times(20*time.Minute).Draw(t, "at"), For: times(2*time.Minute).Draw(t, "for"),
			Kind: rapid.SampledFrom(append([]FaultKind{Degrade}, drawable...)).Draw(t, "kind")}
		switch f.Kind {
		case Partition:
			f.Groups = rapid.SampledFrom([][][]string{{{"s0"}, {"s1", "s2"}}, {{"s0/n0"}, {"s1/n0"}, {"s2"}}}).Draw(t, "groups")
			return f
		case Cut:
			f.From, f.To = places().Draw(t, "from"), places().Draw(t, "to")
			return f
		case Degrade:
			site := rapid.SampledFrom(sites).Draw(t, "site")
			f.On, f.Link = site.Name, uplinkGen().Draw(t, "link")
			f.Link.NAT = site.Uplink.NAT
			return f
		case Clock:
			f.Jump = times(maxJump).Draw(t, "jump") - times(maxJump).Draw(t, "back")
			f.Drift = rapid.OneOf(rapid.SampledFrom([]float64{0, 2e-4, -1e-6}), rapid.Float64Range(-maxDrift, maxDrift)).Draw(t, "drift")
		case SlowDisk:
			f.Sync = max(times(maxSync).Draw(t, "sync"), time.Millisecond)
		case Restore:
			f.Backup = times(f.At).Draw(t, "backup")
		}
		f.On = places().Draw(t, "on")
		return f
	})
}

func randomGen() *rapid.Generator[Random] {
	return rapid.Custom(func(t *rapid.T) Random {
		r := Random{Every: times(time.Minute).Draw(t, "every") + time.Second, After: times(5*time.Minute).Draw(t, "after"),
			Kinds:  rapid.SliceOfNDistinct(rapid.SampledFrom(drawable), 1, 4, func(k FaultKind) FaultKind { return k }).Draw(t, "kinds"),
			On:     rapid.SliceOfN(places(), 0, 3).Draw(t, "on"),
			MinFor: times(time.Minute).Draw(t, "min") + time.Millisecond}
		r.Before = r.After + times(10*time.Minute).Draw(t, "before") + time.Second
		r.MaxFor = r.MinFor + times(time.Minute).Draw(t, "more")
		return r
	})
}

func workGen(sites []Site) *rapid.Generator[[]Work] {
	return rapid.Custom(func(t *rapid.T) []Work {
		node := rapid.SampledFrom([]string{"", "s0/n0", "s0/late"})
		at := 10*time.Minute + times(time.Hour).Draw(t, "at")
		held, limit := rapid.Bool().Draw(t, "held"), rates().Draw(t, "limit")
		all := []Work{
			{Join: &Join{"s0", "late"}},
			{Seed: &Seed{From: node.Draw(t, "from"), Name: "app", Version: "1.0", Size: sizes(1, maxBlob).Draw(t, "size"), Change: 1, Places: 1, Repeats: shares().Draw(t, "repeats")}},
			{Seed: &Seed{From: node.Draw(t, "from"), Name: "app", Version: "v2", Size: 1, Change: shares().Draw(t, "change"), Places: rapid.IntRange(1, maxStrewn).Draw(t, "places")}},
			{Deploy: &Deploy{From: node.Draw(t, "from"), Release: "app@1.0", Selector: sites[0].Labels}},
			{Deploy: &Deploy{Name: "shop/app", Release: "app@v2", NotBefore: times(time.Hour).Draw(t, "not before"), Windows: []string{"*/5 22-23 * * 1-5 8h Europe/Berlin", "0 2 * * * 1h"}}},
			{Uplink: &UplinkWork{On: "s0", Held: &held}},
			{Uplink: &UplinkWork{On: "s0/n0", Up: &limit}},
			{Uplink: &UplinkWork{On: "s0/n0", Windows: &[]string{"* * * * * 1m"}, Cap: &limit}},
			{Uplink: &UplinkWork{On: "s0/n0", Windows: &[]string{}}},
			{Charter: &Charter{From: "s0/n0"}},
			{Mirror: &Mirror{Of: "s0/n0", On: "s0", Rate: limit}},
			{Lock: &Lock{Name: "db/backup", On: "s0", Hold: time.Second, Rest: times(time.Minute).Draw(t, "rest")}},
			{Revoke: &Revoke{From: "s0/n0", Node: "s0/late", Reason: "it is 'gone': #1"}},
			{Yield: &Yield{On: "s0"}},
		}
		n := rapid.IntRange(0, len(all)).Draw(t, "work")
		for i := range all {
			all[i].At = at + time.Duration(i/2)*time.Second
		}
		return all[:n]
	})
}

func eventuallyGen() *rapid.Generator[Eventually] {
	return rapid.Custom(func(t *rapid.T) Eventually {
		e := Eventually{Within: times(time.Hour).Draw(t, "within") + time.Millisecond,
			Of: rapid.SampledFrom([]string{OfStart, OfHeal, OfWork, OfMoment}).Draw(t, "of"), Checks: []Check{{Name: "no_corrupt_blob", Arg: "s0"}}}
		if e.Of == OfMoment {
			e.At = times(time.Hour).Draw(t, "moment")
		}
		return e
	})
}

// stories may not make sense.
func stories() *rapid.Generator[Scenario] {
	return rapid.Custom(func(t *rapid.T) Scenario {
		s := Scenario{Seed: rapid.Uint64().Draw(t, "seed"), Name: rapid.SampledFrom([]string{"", "a b", "1", "x: 'y'", "é"}).Draw(t, "name")}
		for i := range 3 {
			s.Sites = append(s.Sites, siteGen(i).Draw(t, "site"))
		}
		s.Faults = rapid.SliceOfN(faultGen(s.Sites), 0, 5).Draw(t, "faults")
		s.Random = rapid.SliceOfN(randomGen(), 0, 2).Draw(t, "random")
		s.Work = workGen(s.Sites).Draw(t, "work")
		s.Eventually = rapid.SliceOfN(eventuallyGen(), 0, 2).Draw(t, "eventually")
		s.Always = []Check{{Name: "epochs_grow"}, {Name: "one_leader_per_site", Arg: "s0/n0"}}
		s.Budget = Budget{UplinkRatio: shares().Draw(t, "ratio"), BlobBytes: sizes(0, maxBlob).Draw(t, "bytes"), Makespan: times(time.Hour).Draw(t, "makespan")}
		return s.settled().sorted()
	})
}

// sensible makes a story valid by leaving out what contradicts it.
func sensible(s Scenario) (Scenario, bool) {
	for range 100 {
		wrong := s.problems(known)
		if len(wrong) == 0 {
			return s, true
		}
		var i int
		switch p := wrong[0].field; listOf(p) {
		case "faults":
			_, _ = fmt.Sscanf(p, "faults[%d]", &i)
			s.Faults = append(append([]Fault(nil), s.Faults[:i]...), s.Faults[i+1:]...)
		case "random":
			_, _ = fmt.Sscanf(p, "random[%d]", &i)
			s.Random = append(append([]Random(nil), s.Random[:i]...), s.Random[i+1:]...)
		case "work":
			s.Work = nil
		case "sites":
			_, _ = fmt.Sscanf(p, "sites[%d]", &i)
			s = s.clone()
			s.Sites[i].LAN, s.Sites[i].Uplink = Link{}, Uplink{NAT: s.Sites[i].Uplink.NAT}
		default:
			return s, false
		}
	}
	return s, false
}

func valid() *rapid.Generator[Scenario] {
	return rapid.Custom(func(t *rapid.T) Scenario {
		s, ok := sensible(stories().Draw(t, "story"))
		if !ok {
			t.Skip("makes no sense")
		}
		return s
	})
}
