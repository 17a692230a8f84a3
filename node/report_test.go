package node

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/ledger/trust"
)

func fullReport() report {
	return report{
		Deployments: []reportedDeployment{{Name: "till", Release: "till@1", Target: "till@2", Phase: "starting", Ready: true,
			Address: "127.0.0.1:8080", Why: "because", Statement: "0123456789abcdef", Aim: "fedcba9876543210", Opens: 1.8e9}},
		Blobs: [][]byte{[]byte("12345678")}, Addrs: []string{"/ip4/10.0.0.1/udp/4747/quic-v1"}, Held: true, Platform: "linux/amd64", Version: "v1",
	}
}

func reportBody(t testing.TB) body[report] {
	t.Helper()
	c, err := newReports()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReportRoundTrip(t *testing.T) {
	c := reportBody(t)
	data, err := c.encode(fullReport())
	if err != nil {
		t.Fatal(err)
	}
	if back, err := c.decode(data); err != nil || !reflect.DeepEqual(back, fullReport()) {
		t.Errorf("got %+v, %v", back, err)
	}
}

// TestReportBounds: what no node says is not believed.
func TestReportBounds(t *testing.T) {
	c := reportBody(t)
	for what, change := range map[string]func(*report){
		"deployments": func(r *report) { r.Deployments = make([]reportedDeployment, maxReportItems+1) },
		"blobs":       func(r *report) { r.Blobs = slices.Repeat(r.Blobs, maxReportItems+1) },
		"a blob":      func(r *report) { r.Blobs[0] = r.Blobs[0][1:] },
		"addresses":   func(r *report) { r.Addrs = slices.Repeat(r.Addrs, maxReportAddrs+1) },
		"a text":      func(r *report) { r.Version = strings.Repeat("v", maxReportText+1) },
		"a time":      func(r *report) { r.Deployments[0].Opens = maxReportTime + 1 },
		"left out":    func(r *report) { r.LeftOut = -1 },
	} {
		r := fullReport()
		change(&r)
		data, err := c.enc.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.decode(data); err == nil {
			t.Errorf("%s: it is believed", what)
		}
	}
}

// TestReportOfTooMuch: what a node has to say is cut to what its peers believe, and it says what it leaves out. Texts are cut
// before anything is left out.
func TestReportOfTooMuch(t *testing.T) {
	c := reportBody(t)
	why := strings.Repeat("ö", 400)
	r := report{Platform: "linux/amd64", Version: "v1"}
	for i := range 200 {
		r.Deployments = append(r.Deployments, reportedDeployment{Name: fmt.Sprintf("till%03d", i), Phase: "failed", Why: why})
		r.Blobs = append(r.Blobs, make([]byte, blobPrefixBytes))
		r.Addrs = append(r.Addrs, "/ip4/10.0.0.1/udp/4747/quic-v1")
	}
	_, data, err := r.fit(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > ledger.MaxBody {
		t.Errorf("%d bytes do not fit into an entry", len(data))
	}
	back, err := c.decode(data)
	if err != nil || len(back.Deployments) != maxReportItems || len(back.Blobs) != maxReportItems || len(back.Addrs) != maxReportAddrs || back.LeftOut != 200-maxReportItems {
		t.Fatalf("%d deployments, %d left out, %v", len(back.Deployments), back.LeftOut, err)
	}
	for _, d := range back.Deployments {
		if !utf8.ValidString(d.Why) || !strings.HasPrefix(d.Why, "öööö") {
			t.Errorf("%s failed because of %q", d.Name, d.Why)
		}
	}
	for i := range r.Deployments {
		d := &r.Deployments[i]
		d.Name, d.Release = strings.Repeat("n", 60)+fmt.Sprintf("%03d", i), strings.Repeat("r", 128)
		d.Target, d.Address, d.Statement, d.Aim = d.Release, strings.Repeat("a", 128), "0123456789abcdef", "0123456789abcdef"
	}
	if _, data, err = r.fit(c); err != nil {
		t.Fatal(err)
	}
	back, err = c.decode(data)
	if n := len(back.Deployments); err != nil || n < 16 || n+back.LeftOut != 200 || back.Deployments[n-1].Name != r.Deployments[n-1].Name {
		t.Errorf("of the longest %d deployments, %d left out, %v", n, back.LeftOut, err)
	}
}

// TestReportFits: whatever a node has to say, others can read what it publishes; and it publishes all of what they could read.
func TestReportFits(t *testing.T) {
	c := reportBody(t)
	text := rapid.OneOf(rapid.StringN(0, 20, -1), rapid.StringN(0, 400, -1), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 400), func(b []byte) string { return string(b) }))
	deployment := rapid.Custom(func(t *rapid.T) reportedDeployment {
		d := reportedDeployment{Name: "till", Phase: text.Draw(t, "phase"), Why: text.Draw(t, "why"), Address: text.Draw(t, "address"), Opens: rapid.Int64().Draw(t, "opens")}
		if rapid.Bool().Draw(t, "odd") {
			d.Name, d.Release, d.Target = text.Draw(t, "name"), text.Draw(t, "release"), text.Draw(t, "target")
			d.Statement, d.Aim = text.Draw(t, "statement"), text.Draw(t, "aim")
		}
		return d
	})
	rapid.Check(t, func(t *rapid.T) {
		r := report{
			Deployments: rapid.SliceOfN(deployment, 0, maxReportItems+16).Draw(t, "deployments"),
			Blobs:       rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), blobPrefixBytes, blobPrefixBytes), 0, maxReportItems+16).Draw(t, "blobs"),
			Addrs:       rapid.SliceOfN(text, 0, maxReportAddrs+4).Draw(t, "addrs"),
			Platform:    text.Draw(t, "platform"), Version: text.Draw(t, "version"), Held: rapid.Bool().Draw(t, "held"),
		}
		before, err := c.enc.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		_, legible := c.decode(before)
		said, data, err := r.fit(c)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.decode(data)
		if err != nil || len(back.Deployments)+back.LeftOut != len(r.Deployments) || len(said.Deployments) != len(back.Deployments) {
			t.Fatalf("%d of %d deployments, %d left out, %v", len(back.Deployments), len(r.Deployments), back.LeftOut, err)
		}
		if legible == nil && !bytes.Equal(before, data) {
			t.Fatal("it was changed for nothing")
		}
	})
}

func FuzzReport(f *testing.F) {
	c := reportBody(f)
	good, err := c.encode(fullReport())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := c.decode(data)
		if err != nil {
			return
		}
		for _, d := range r.Deployments {
			if len(d.Why) > maxReportText || len(d.Name) > maxReportText {
				t.Error("a text out of bounds")
			}
		}
		if len(r.Deployments) > maxReportItems || len(r.Blobs) > maxReportItems || len(r.Addrs) > maxReportItems {
			t.Error("more than its bounds")
		}
	})
}

var today = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func TestTally(t *testing.T) {
	const statement = "0123456789abcdef0123456789abcdef"
	d := ledger.DeploymentState{Deployment: ledger.Deployment{Name: "till"}, Digest: statement}
	spec := manifest.Spec{Release: "till@2", Selector: manifest.Selector{MatchLabels: map[string]string{"tier": "pos"}}}
	on := func(r reportedDeployment) report {
		r.Name = "till"
		return report{Deployments: []reportedDeployment{r}}
	}
	pos := ledger.Node{Member: trust.Member{Labels: map[string]string{"tier": "pos"}}}
	odd := pos
	odd.Quarantined = "forked"
	now := prefix(statement)
	for what, c := range map[string]struct {
		s                                            seen
		targets, ready, failed, behind, unreachables int
	}{
		"runs it":                   {seen{pos, on(reportedDeployment{Release: "till@2", Ready: true, Statement: now, Aim: now}), true, today}, 1, 1, 0, 0, 0},
		"runs it, out of reach":     {seen{pos, on(reportedDeployment{Release: "till@2", Ready: true, Statement: now, Aim: now}), false, today}, 1, 1, 0, 0, 0},
		"fetched ahead":             {seen{pos, on(reportedDeployment{Release: "till@1", Ready: true, Statement: "before", Aim: now, Phase: "scheduled", Opens: 1.8e9}), true, today}, 1, 0, 0, 1, 0},
		"as declared before":        {seen{pos, on(reportedDeployment{Release: "till@2", Ready: true, Statement: "before", Aim: "before"}), true, today}, 1, 0, 0, 1, 0},
		"not healthy":               {seen{pos, on(reportedDeployment{Release: "till@2", Statement: now, Aim: now, Phase: "degraded"}), true, today}, 1, 0, 0, 1, 0},
		"given up":                  {seen{pos, on(reportedDeployment{Release: "till@1", Ready: true, Statement: "before", Aim: now, Phase: "failed"}), true, today}, 1, 0, 1, 1, 0},
		"gave the last one up":      {seen{pos, on(reportedDeployment{Release: "till@1", Ready: true, Statement: "before", Aim: "last", Phase: "failed"}), true, today}, 1, 0, 0, 1, 0},
		"never reported":            {seen{pos, report{}, true, today}, 1, 0, 0, 1, 0},
		"left out":                  {seen{pos, report{LeftOut: 3}, true, today}, 1, 0, 0, 1, 0},
		"out of reach":              {seen{pos, on(reportedDeployment{Release: "till@1", Ready: true}), false, today}, 1, 0, 0, 0, 1},
		"not meant":                 {seen{ledger.Node{}, report{}, true, today}, 0, 0, 0, 0, 0},
		"quarantined, though meant": {seen{odd, on(reportedDeployment{Release: "till@2", Ready: true, Statement: now}), true, today}, 0, 0, 0, 0, 0},
	} {
		r := tally(d, spec, []seen{c.s})
		if r.Targets != c.targets || r.Ready != c.ready || r.Failed != c.failed || len(r.Behind) != c.behind || len(r.Unreachable) != c.unreachables || r.Done != (c.behind == 0) {
			t.Errorf("%s: %+v", what, r)
		}
		if waits := what == "fetched ahead"; (r.Scheduled == 1) != waits || (r.OpensAt != nil && r.OpensAt.Unix() == 1.8e9) != waits {
			t.Errorf("%s: %d wait, until %v", what, r.Scheduled, r.OpensAt)
		}
		for _, b := range r.Behind {
			if b.Phase == "" {
				t.Errorf("%s: nothing says what it does: %+v", what, b)
			}
			if leaves := strings.Contains(b.Why, "no room for 3 of its deployments"); leaves != (what == "left out") {
				t.Errorf("%s: why: %q", what, b.Why)
			}
		}
	}
}

// A time that is none is not believed, and one that no report can hold is not told.
func TestReportedTimes(t *testing.T) {
	c := reportBody(t)
	for _, opens := range []int64{-1, maxReportTime + 1} {
		r := fullReport()
		r.Deployments[0].Opens = opens
		data, err := c.enc.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.decode(data); err == nil {
			t.Errorf("it opens at %d", opens)
		}
		if _, err := c.encode(r); err == nil {
			t.Errorf("it is told that it opens at %d", opens)
		}
	}
	if long := opensStamp(time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)); long != 0 {
		t.Errorf("the year 1960 is told as %d", long)
	}
	if far := opensStamp(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)); far != maxReportTime || opensStamp(time.Time{}) != 0 {
		t.Errorf("the year 12000 is told as %d", far)
	}
}

func TestReportPassing(t *testing.T) {
	runs := reportedDeployment{Name: "a", Release: "a@1", Target: "a@1", Phase: "ready", Ready: true}
	fetches, starts, fails := runs, runs, runs
	fetches.Target, fetches.Phase = "a@2", "fetching"
	starts.Release, starts.Target, starts.Phase, starts.Ready = "a@2", "a@2", "starting", false
	fails.Target, fails.Phase = "a@2", "failed"
	other := reportedDeployment{Name: "b", Phase: "fetching"}
	of := func(d ...reportedDeployment) report { return report{Deployments: d, Addrs: []string{"x"}} }
	blob := of(runs)
	blob.Blobs = [][]byte{make([]byte, blobPrefixBytes)}
	started := of(starts)
	started.Blobs = blob.Blobs
	held, moved := of(fetches), of(fetches)
	held.Held, moved.Addrs = true, []string{"y"}
	for name, test := range map[string]struct {
		from, to report
		passing  bool
	}{
		"fetching":          {of(runs), of(fetches), true},
		"starting":          {of(runs), started, true},
		"from nothing":      {of(), of(other), true},
		"one more":          {of(runs), of(runs, other), true},
		"runs":              {of(fetches), of(runs), false},
		"failed":            {of(fetches), of(fails), false},
		"one of two":        {of(runs, other), of(fetches), false},
		"a blob by itself":  {of(runs), blob, false},
		"held on the way":   {of(runs), held, false},
		"moved on the way":  {of(runs), moved, false},
		"one of two failed": {of(runs), of(fails, other), false},
	} {
		if got := test.to.passing(test.from); got != test.passing {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Steps on the way are kept back for a while, but not for ever, and not when something else is to be said.
func TestReportWaits(t *testing.T) {
	way := report{Deployments: []reportedDeployment{{Name: "a", Phase: "fetching"}}}
	ready := report{Deployments: []reportedDeployment{{Name: "a", Phase: "ready"}}}
	at := time.Unix(1e9, 0)
	first := said{}
	if d := first.wait(way, "way", time.Minute, at); d > 0 {
		t.Errorf("a first report waits %v", d)
	}
	s := said{body: "none"}
	for _, step := range []struct {
		after time.Duration
		now   report
		body  string
		wait  time.Duration
	}{
		{0, way, "way", 10 * time.Second},
		{4 * time.Second, way, "way", 6 * time.Second},
		{5 * time.Second, ready, "ready", 0},
		{6 * time.Second, report{}, "none", 0}, // it was not reported, and is over
		{7 * time.Second, way, "way", 10 * time.Second},
		{18 * time.Second, way, "way", -time.Second},
	} {
		if d := s.wait(step.now, step.body, 10*time.Second, at.Add(step.after)); d != step.wait {
			t.Errorf("after %v: waits %v, want %v", step.after, d, step.wait)
		}
	}
}
