package scenario

import (
	"fmt"
	"time"

	"selvage/ledger/manifest"
	"selvage/simulator/network"
)

// Bounds of a scenario. Whoever needs more writes two scenarios.
const (
	MaxFile     = 1 << 20 // bytes of YAML
	MaxSites    = 1000
	MaxNodes    = 5000 // of all sites, those that join among them
	MaxFaults   = 10_000
	MaxWork     = 10_000
	MaxDuration = 366 * day

	maxRandom  = 100
	maxPlaces  = 1000 // in one list of them
	maxChecks  = 100
	maxRate    = 1_000_000_000_000 // bits a second
	maxStrewn  = 10_000
	maxBlob    = 1_000_000_000_000 // bytes
	maxBytes   = 1_000_000_000_000_000
	maxQueue   = 1 << 30 // bytes
	maxLatency = time.Minute
	maxSync    = time.Minute
	maxJump    = 36_525 * day // a century
	maxDrift   = 0.5          // seconds a second
	maxRatio   = 1000
)

// MaxSiteNodes bounds the nodes of one site, those that join among them: the network has addresses for as many.
const MaxSiteNodes = network.MaxHosts

// same is for a mapping whose fields are those of what it stands in.
func same[T any](t *T) *T { return t }

// top is the file.
func top() mapping[Scenario] {
	return mapping[Scenario]{base: Scenario{}, fields: []field[Scenario]{
		of("name", word("a text of at most 200 characters", checkText), func(s *Scenario) *string { return &s.Name },
			"what the story is about"),
		of("seed", seedNumber(), func(s *Scenario) *uint64 { return &s.Seed }, "what all randomness comes from"),
		of("duration", duration(time.Second, MaxDuration), func(s *Scenario) *time.Duration { return &s.Duration },
			"virtual time at which the story ends at the latest").or("after all that is said to happen, with half as long again"),
		needed("sites", list(siteFields().codec(), MaxSites), func(s *Scenario) *[]Site { return &s.Sites }, "who is there"),
		of("faults", list(faultFields().codec(), MaxFaults), func(s *Scenario) *[]Fault { return &s.Faults }, "what goes wrong, and when"),
		of("random", list(randomFields().codec(), maxRandom), func(s *Scenario) *[]Random { return &s.Random },
			"faults drawn from the seed"),
		of("work", list(workFields().codec(), MaxWork), func(s *Scenario) *[]Work { return &s.Work }, "what people do, and when"),
		of("always", checks(), func(s *Scenario) *[]Check { return &s.Always }, "invariants that hold at every moment"),
		of("sometimes", checks(), func(s *Scenario) *[]Check { return &s.Sometimes }, "invariants that hold at one moment at least"),
		of("eventually", several(eventuallyFields().codec(), maxChecks), func(s *Scenario) *[]Eventually { return &s.Eventually },
			"invariants that come to hold, and by when"),
		of("budget", budgetFields().codec(), func(s *Scenario) *Budget { return &s.Budget }, "what the whole story may cost"),
	}}
}

func name() codec[string] { return word("a name", manifest.CheckName) }

func siteFields() mapping[Site] {
	return mapping[Site]{line: func(s *Site) *int { return &s.Line }, fields: []field[Site]{
		needed("name", name(), func(s *Site) *string { return &s.Name }, "what the site is called"),
		of("count", whole(1, MaxSites), func(s *Site) *int { return &s.Count },
			"how many such sites there are; a number from 0 on follows their name").or("one, of that name"),
		needed("nodes", whole(1, MaxSiteNodes), func(s *Site) *int { return &s.Nodes },
			fmt.Sprintf("how many nodes are there from the start, at most %d with those that join, and %d in all sites; they are called n0, n1, ...",
				MaxSiteNodes, MaxNodes)),
		of("labels", labels(), func(s *Site) *map[string]string { return &s.Labels }, "labels of each of its nodes"),
		of("lan", mapping[Link]{fields: linkFields()}.codec(), func(s *Site) *Link { return &s.LAN }, "the links among its nodes"),
		of("uplink", uplinkFields().codec(), func(s *Site) *Uplink { return &s.Uplink },
			"the link to other sites, which its nodes share"),
	}}
}

func linkFields() []field[Link] {
	return []field[Link]{
		of("latency", duration(0, maxLatency), func(l *Link) *time.Duration { return &l.Latency }, "one way"),
		of("jitter", duration(0, maxLatency), func(l *Link) *time.Duration { return &l.Jitter }, "how far a packet's latency may be off"),
		of("loss", share(), func(l *Link) *float64 { return &l.Loss }, "of packets, each by itself"),
		of("burst", mapping[Burst]{fields: burstFields()}.codec(), func(l *Link) *Burst { return &l.Burst },
			"loss that comes in bursts (Gilbert-Elliott)"),
		of("queue", size(0, maxQueue), func(l *Link) *int64 { return &l.Queue }, "what waits at most in front of the link").
			or("0, which is the network's own"),
		of("codel", boolean(), func(l *Link) *bool { return &l.CoDel }, "whether the queue is kept short (RFC 8289)"),
		of("mtu", whole(0, 65535), func(l *Link) *int { return &l.MTU }, "bytes of a packet on the wire; at least 576").
			or("0, which is 1500"),
		of("reorder", share(), func(l *Link) *float64 { return &l.Reorder }, "of packets that overtake others"),
		of("duplicate", share(), func(l *Link) *float64 { return &l.Duplicate }, "of packets that arrive twice"),
	}
}

func burstFields() []field[Burst] {
	return []field[Burst]{
		of("bad", share(), func(b *Burst) *float64 { return &b.Bad }, "probability, at each packet, that a burst begins"),
		of("good", share(), func(b *Burst) *float64 { return &b.Good }, "probability, at each packet, that it ends"),
		of("loss", share(), func(b *Burst) *float64 { return &b.Loss }, "of packets in a burst"),
	}
}

// changeable are the fields of an uplink that a fault may change.
func changeable() []field[Uplink] {
	out := []field[Uplink]{
		of("up", rate(), func(u *Uplink) *int64 { return &u.Up }, "bits a second from the site").or("0, which is no limit"),
		of("down", rate(), func(u *Uplink) *int64 { return &u.Down }, "bits a second to the site").or("0, which is no limit"),
	}
	out = append(out, lift(func(u *Uplink) *Link { return &u.Link }, linkFields())...)
	return append(out,
		of("duty", mapping[Duty]{fields: dutyFields()}.codec(), func(u *Uplink) *Duty { return &u.Duty },
			"when the link is up").or("{}, which is always"),
		of("budget", mapping[Allowance]{fields: allowanceFields()}.codec(), func(u *Uplink) *Allowance { return &u.Allowance },
			"how much each of its directions carries").or("{}, which is no bound"))
}

func uplinkFields() mapping[Uplink] {
	return mapping[Uplink]{fields: append(changeable(),
		of("nat", oneOf("cone", "symmetric"), func(u *Uplink) *string { return &u.NAT },
			"what translates addresses between the site and the others").or("nothing does"))}
}

func dutyFields() []field[Duty] {
	return []field[Duty]{
		of("up", duration(0, MaxDuration), func(d *Duty) *time.Duration { return &d.Up }, "how long it is up each time"),
		of("every", duration(0, MaxDuration), func(d *Duty) *time.Duration { return &d.Every },
			"from one time to the next; not less than up"),
		of("offset", duration(0, MaxDuration), func(d *Duty) *time.Duration { return &d.Offset }, "when the first time begins; less than every"),
	}
}

func allowanceFields() []field[Allowance] {
	return []field[Allowance]{
		of("bytes", size(0, maxBytes), func(a *Allowance) *int64 { return &a.Bytes }, "how much").or("0, which is no bound"),
		of("every", duration(0, MaxDuration), func(a *Allowance) *time.Duration { return &a.Per }, "in which time").
			or("0s, which is in all"),
	}
}

func randomFields() mapping[Random] {
	return mapping[Random]{
		base: Random{MinFor: 5 * time.Second, MaxFor: time.Minute},
		line: func(r *Random) *int { return &r.Line },
		fields: []field[Random]{
			needed("every", duration(time.Millisecond, MaxDuration), func(r *Random) *time.Duration { return &r.Every },
				"from one fault to the next, on average; they come at nought to twice that"),
			of("after", duration(0, MaxDuration), func(r *Random) *time.Duration { return &r.After }, "when the first may begin"),
			needed("before", duration(time.Millisecond, MaxDuration), func(r *Random) *time.Duration { return &r.Before },
				"when no more begin; all are over the longest for after it"),
			needed("kinds", list(oneOf(drawable...), len(drawable)), func(r *Random) *[]FaultKind { return &r.Kinds },
				"which kinds are drawn, each as likely as the others"),
			of("on", list(place(), maxPlaces), func(r *Random) *[]string { return &r.On },
				"where; a site stands for one of its nodes where crash, pause, suspend, clock, diskfull, slowdisk, poison, forge or restore is drawn").or("any node"),
			spanField("for", "how long each lasts: a time, or [SHORTEST, LONGEST]"),
		},
	}
}

func eventuallyFields() mapping[Eventually] {
	return mapping[Eventually]{
		base: Eventually{Of: OfHeal},
		line: func(e *Eventually) *int { return &e.Line },
		fields: []field[Eventually]{
			needed("within", duration(time.Millisecond, MaxDuration), func(e *Eventually) *time.Duration { return &e.Within },
				"how long it may take"),
			momentField("of", "from when on: start, heal (the end of the last fault), work (the last of it), or a time like 5m"),
			needed("check", severalChecks(), func(e *Eventually) *[]Check { return &e.Checks }, "which invariants hold then, all at once"),
		},
	}
}

func budgetFields() mapping[Budget] {
	ratio := func() codec[float64] {
		return scaled("", 1, 0, maxRatio, fmt.Sprintf("a ratio, 0 to %d", maxRatio), "1.10")
	}
	return mapping[Budget]{line: func(b *Budget) *int { return &b.Line }, fields: []field[Budget]{
		of("uplink_ratio", ratio(), func(b *Budget) *float64 { return &b.UplinkRatio },
			"bytes down each uplink against the ideal, which is each block once; a site that was to get a release has to have it in the end").or("0, which is no bound"),
		of("blob_ratio", ratio(), func(b *Budget) *float64 { return &b.BlobRatio }, "the same of blobs only").or("0, which is no bound"),
		of("blob_bytes", size(0, maxBlob), func(b *Budget) *int64 { return &b.BlobBytes }, "of blobs, patches among them, down each uplink").or("0, which is no bound"),
		of("makespan", duration(0, MaxDuration), func(b *Budget) *time.Duration { return &b.Makespan },
			"from the last deploy until all run it").or("0s, which is no bound"),
	}}
}
