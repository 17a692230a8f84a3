package simulator

import (
	"fmt"
	"slices"
	"time"

	"selvage/simulator/scenario"
)

// Result is how a story ended. Its JSON is stable: fields are only added.
type Result struct {
	OK              bool     `json:"ok"`
	Scenario        string   `json:"scenario"`
	Engine          string   `json:"engine"`
	Seed            uint64   `json:"seed"`
	VirtualSeconds  float64  `json:"virtual_seconds"`
	WallSeconds     float64  `json:"wall_seconds"`
	TraceSHA256     string   `json:"trace_sha256"`
	Checks          []Check  `json:"checks"`
	FetchedSeconds  float64  `json:"fetched_seconds"`  // of the last deployment, until the last node that is meant had the release; 0 if not all of them had, and were up, at one moment
	MakespanSeconds float64  `json:"makespan_seconds"` // of the last deployment, until every node that is meant ran it, and all were up; 0 if that did not come about
	BoundSeconds    float64  `json:"bound_seconds"`    // what its links allowed at best
	Uplinks         []Uplink `json:"uplinks"`
	Nodes           int      `json:"nodes"`
	EventsLeftOut   int      `json:"events_left_out,omitempty"` // of Events, which are bounded
	DebugLeftOut    int      `json:"debug_left_out,omitempty"`  // likewise, of those that were logged at debug level
	Events          []Event  `json:"-"`
	Record          *Record  `json:"-"` // if Options.Record asked for it
}

// Check is how one check fared.
type Check struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // "always", "eventually", "sometimes", "budget", or "story" if it could not be played to its end
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	// When it was looked at, and when it came true or was broken: seconds of the story. An eventual one
	// that never came true, and a budget, have no moment.
	FromSeconds  float64 `json:"from_seconds,omitempty"`
	UntilSeconds float64 `json:"until_seconds,omitempty"`
	AtSeconds    float64 `json:"at_seconds,omitempty"`
}

// Uplink is what crossed one site's uplink, bytes on the wire, and what had to.
type Uplink struct {
	Site       string `json:"site"`
	DownBytes  int64  `json:"down_bytes"`
	UpBytes    int64  `json:"up_bytes"`
	BlobBytes  int64  `json:"blob_bytes"`  // chunks that came down it; of nodes that do not answer, as far as they had told before
	IdealBytes int64  `json:"ideal_bytes"` // each byte of a release that was new to the site, once
}

func (t *story) result() Result {
	r := Result{OK: true, Scenario: t.scenario.Name, Seed: t.scenario.Seed,
		VirtualSeconds: t.trace.Now().Seconds(), Nodes: len(t.Machines())}
	t.sample()
	r.Record = t.recorder.take(t.trace.Now())
	var lost leftOut
	r.Events, lost, r.TraceSHA256 = t.trace.take(t.Machines())
	r.EventsLeftOut, r.DebugLeftOut = lost.events, lost.debug
	for _, c := range t.checks {
		o := Check{Name: checkName(c.check), Kind: c.kind, OK: c.held, Detail: c.last,
			FromSeconds: c.from.Seconds(), UntilSeconds: c.until.Seconds(), AtSeconds: c.at.Seconds()}
		if !o.OK && o.Detail == "" {
			o.Detail = "the story ended before it was looked at"
		}
		r.Checks = append(r.Checks, o)
	}
	for _, s := range t.scenario.Sites {
		r.Uplinks = append(r.Uplinks, t.uplinkOf(s.Name))
	}
	if len(t.deploys) > 0 {
		last := t.deploys[len(t.deploys)-1]
		r.FetchedSeconds = last.fetched.Seconds()
		r.MakespanSeconds, r.BoundSeconds = last.took.Seconds(), t.bound(last.release).Seconds()
	}
	r.Checks = append(r.Checks, t.budget(r)...)
	for _, c := range r.Checks {
		r.OK = r.OK && c.OK
	}
	return r
}

func checkName(c scenario.Check) string {
	if c.Arg == "" {
		return c.Name
	}
	return c.Name + ": " + c.Arg
}

func (t *story) uplinkOf(site string) Uplink {
	u := Uplink{Site: site}
	u.DownBytes, u.UpBytes = t.Traffic(site)
	for ref, r := range t.releases {
		if r.site == site {
			continue
		}
		if need, ok := t.needed(site, ref); ok {
			u.IdealBytes += need
		}
	}
	for _, m := range Placed(t.Machines(), site) {
		for _, b := range t.told.came(m) {
			u.BlobBytes += b.FromUplinkBytes
		}
	}
	return u
}

// needed returns how much of a release a site had to get from others: what none of its nodes had of
// it in older ones, or the patch that made it of them. ok is false if the site does not hold it.
func (t *story) needed(site, ref string) (bytes int64, ok bool) {
	for _, m := range Placed(t.Machines(), site) {
		n := m.Agent()
		if n == nil {
			continue
		}
		for _, b := range n.Holdings() {
			if b.Digest != t.releases[ref].digest || !b.Complete {
				continue
			}
			if need := t.told.needed(m, b); !ok || need < bytes {
				bytes, ok = need, true
			}
		}
	}
	return bytes, ok
}

// lacking is a release that a site had to get from others and does not hold, so that nobody knows what it had to cost; "" if there
// is none.
func (t *story) lacking(site string) string {
	for i, d := range t.deploys {
		if r := t.releases[d.release]; r.site == site || r.wrong || slices.ContainsFunc(t.deploys[i+1:], func(o *deploy) bool { return o.name == d.name }) {
			continue
		}
		if _, ok := t.needed(site, d.release); !ok && slices.ContainsFunc(Placed(t.Machines(), site), func(m Machine) bool {
			_, gone := t.revoked[m.ID()]
			return !gone && t.meant(m, d.selector)
		}) {
			return d.release
		}
	}
	return ""
}

// bound is the least time in which a release can get from the site where it was seeded to all that needed it: the slowest
// downlink, one copy up the first uplink, or all copies up all uplinks (Kumar and Ross, Peer-Assisted File Distribution: The
// Minimum Distribution Time, 2006).
func (t *story) bound(ref string) time.Duration {
	var first scenario.Uplink
	var worst time.Duration
	var most, all, up int64 // bytes that one site needs, and all do; bit/s that they can give, and the first
	limited := true
	for _, s := range t.scenario.Sites {
		need, ok := t.needed(s.Name, ref)
		switch {
		case s.Name == t.releases[ref].site:
			first = s.Uplink
		case ok:
			most, all = max(most, need), all+need
			worst = max(worst, transfer(need, s.Uplink.Down)+s.Uplink.Latency)
		default:
			continue
		}
		up, limited = up+s.Uplink.Up, limited && s.Uplink.Up > 0
	}
	if most == 0 {
		return 0
	}
	worst = max(worst, transfer(most, first.Up)+first.Latency)
	if limited {
		worst = max(worst, transfer(all, up))
	}
	return worst
}

func transfer(bytes, bitsPerSecond int64) time.Duration {
	if bitsPerSecond == 0 {
		return 0
	}
	return time.Duration(float64(bytes) * 8 / float64(bitsPerSecond) * float64(time.Second))
}

// blobRatio is the budget of blobs alone; of all else some comes to each site.
const blobRatio = "blob_ratio"

// budget judges what the story cost.
func (t *story) budget(r Result) []Check {
	b := t.scenario.Budget
	var out []Check
	ratio := func(name string, bound float64, cost func(Uplink) int64) {
		if bound == 0 {
			return
		}
		c := Check{Name: name, Kind: "budget", OK: true}
		for _, u := range r.Uplinks {
			got := float64(cost(u)) / float64(max(1, u.IdealBytes))
			if ref := t.lacking(u.Site); ref != "" {
				c.OK, c.Detail = false, fmt.Sprintf("%s: cannot be judged: no node that is up has the whole of %s", u.Site, ref)
			} else if u.IdealBytes > 0 && got > bound {
				c.OK, c.Detail = false, fmt.Sprintf("%s: %d bytes are %.2f times the ideal, at most %.2f", u.Site, cost(u), got, bound)
			} else if u.IdealBytes == 0 && name == blobRatio && cost(u) > 0 {
				c.OK, c.Detail = false, fmt.Sprintf("%s: %d bytes of blobs came, and it had to get none", u.Site, cost(u))
			}
		}
		out = append(out, c)
	}
	ratio("uplink_ratio", b.UplinkRatio, func(u Uplink) int64 { return u.DownBytes })
	ratio(blobRatio, b.BlobRatio, func(u Uplink) int64 { return u.BlobBytes })
	if b.BlobBytes > 0 {
		out = append(out, blobBytes(b.BlobBytes, r.Uplinks))
	}
	if b.Makespan > 0 {
		c := Check{Name: "makespan", Kind: "budget", OK: r.MakespanSeconds > 0 && r.MakespanSeconds <= b.Makespan.Seconds()}
		if !c.OK {
			c.Detail = fmt.Sprintf("%.1f s, at most %s (0 is never)", r.MakespanSeconds, b.Makespan)
		}
		out = append(out, c)
	}
	return out
}

// blobBytes judges how many bytes of blobs came down each uplink.
func blobBytes(most int64, all []Uplink) Check {
	c := Check{Name: "blob_bytes", Kind: "budget", OK: true}
	for _, u := range all {
		if u.BlobBytes > most {
			c.OK, c.Detail = false, fmt.Sprintf("%s: %d bytes, at most %d", u.Site, u.BlobBytes, most)
		}
	}
	return c
}
