package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// write returns the page of a story.
func write(t testing.TB, s scenario.Scenario, r simulator.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s, r, "selvage sim run story.yaml --seed 1"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// story is one of sites with nodes each, to which all kinds of things happen. Its names begin with prefix.
func story(prefix string, sites, nodes int) (scenario.Scenario, simulator.Result) {
	const end = 10 * time.Minute
	s := scenario.Scenario{Name: prefix + "story", Seed: 7, Duration: 2 * end}
	r := simulator.Result{Scenario: s.Name, Engine: "native", Seed: 7, VirtualSeconds: end.Seconds(), WallSeconds: 3, Nodes: sites * nodes, TraceSHA256: "abc",
		Record: &simulator.Record{Window: simulator.Span{From: time.Minute, To: 2 * time.Minute}}}
	rec := r.Record
	for i := range 600 {
		rec.Series.At = append(rec.Series.At, time.Duration(i+1)*end/600)
	}
	for i := range sites {
		site := fmt.Sprint(prefix, "s", i)
		s.Sites = append(s.Sites, scenario.Site{Name: site, Nodes: nodes, Uplink: scenario.Uplink{Up: 2e6, Down: 8e6}})
		down, up := make([]int64, 600), make([]int64, 600)
		for k := range down {
			down[k], up[k] = int64(k*k*(i+1)), int64(k*(7919*k%97))
		}
		rec.Series.Sites = append(rec.Series.Sites, simulator.SiteSeries{Site: site, Down: down, Up: up})
		r.Uplinks = append(r.Uplinks, simulator.Uplink{Site: site, DownBytes: down[599], UpBytes: up[599], BlobBytes: 30e6, IdealBytes: 20e6})
		for n := range nodes {
			place := fmt.Sprintf("%s/n%d", site, n)
			held := make([]int64, 600)
			for k := range held {
				held[k] = min(20e6, int64(k*(100_000+13*i+n)))
			}
			rec.Series.Nodes = append(rec.Series.Nodes, simulator.NodeSeries{Node: place, Held: held})
			rec.Lives = append(rec.Lives, simulator.Life{Place: place, Site: site, Name: fmt.Sprintf("%s-n%d", site, n),
				Up: []simulator.Span{{To: 3 * time.Minute}, {From: 4 * time.Minute, To: end}}})
		}
	}
	a, b := s.Sites[0].Name, s.Sites[len(s.Sites)-1].Name
	s.Faults = []scenario.Fault{
		{At: time.Minute, For: time.Minute, Kind: scenario.Partition, Groups: [][]string{{a}, {b}}},
		{At: 90 * time.Second, For: time.Minute, Kind: scenario.Cut, From: a, To: b},
		{At: 3 * time.Minute, For: time.Minute, Kind: scenario.Crash, On: a},
		{At: 4 * time.Minute, Kind: scenario.DiskFull, On: b + "/n0"},
		{At: 5 * time.Minute, For: time.Second, Kind: "unheard-of", On: b},
		{At: 11 * time.Minute, For: time.Second, Kind: scenario.PowerCut, On: b},
	}
	s.Work = []scenario.Work{
		{At: 20 * time.Second, Seed: &scenario.Seed{From: a + "/n0", Name: prefix + "app", Version: "v1", Size: 20e6}},
		{At: 21 * time.Second, Deploy: &scenario.Deploy{From: a + "/n0", Name: prefix + "app", Release: prefix + "app@v1"}},
	}
	for _, kind := range []string{"always", "eventually", "sometimes", "budget", "story"} {
		for _, ok := range []bool{true, false} {
			r.Checks = append(r.Checks, simulator.Check{Name: fmt.Sprint(prefix, "check_", kind, ok), Kind: kind, OK: ok, Detail: prefix + "detail of " + kind,
				FromSeconds: 10, UntilSeconds: 400, AtSeconds: 30})
		}
	}
	return s, r
}

// parse returns the words of a page, and its elements.
func parse(t testing.TB, page string) (words string, elements []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style":
			b.WriteString(n.Data)
			b.WriteByte('\n')
		case n.Type == html.ElementNode:
			elements = append(elements, n)
		}
	}
	return b.String(), elements
}

// events are of every kind, at every node in turn.
func events(r simulator.Result, prefix string, n int) []simulator.Event {
	what := []simulator.Event{{What: "node: up"}, {What: "node: peer met"}, {What: "deploy: starting"}, {What: "deploy: version verified"}, {What: "deploy: version failed"},
		{What: "node: peer gone"}, {What: "gossip: records", Level: "debug", Bytes: 254}, {What: "distribute: chunks", Level: "debug"}, {What: "node: alert", Level: "warn"}, {What: "something"}}
	lives := r.Record.Lives
	var out []simulator.Event
	for i := range n {
		e := what[i%len(what)]
		e.At = time.Duration(i) * 10 * time.Minute / time.Duration(n)
		e.On, e.Peer, e.Text = lives[i*7%len(lives)].Place, lives[(i*7+1)%len(lives)].Name, fmt.Sprint(prefix, "text=", i)
		out = append(out, e)
	}
	return append(out, simulator.Event{At: time.Minute, What: "deployed", Text: prefix + "app@v1 runs everywhere"})
}

// TestPageTellsAll: what was played, what was looked at and where it was is in the page, for few nodes and for many.
func TestPageTellsAll(t *testing.T) {
	for _, c := range []struct{ sites, nodes int }{{1, 1}, {2, 3}, {3, 20}, {20, 5}} {
		s, r := story("x", c.sites, c.nodes)
		r.Events = events(r, "x", 500)
		words, _ := parse(t, write(t, s, r))
		want := []string{s.Name, "FAILED", "abc", "selvage sim run story.yaml --seed 1", "seed xapp@v1", "deploy xapp@v1", "xapp@v1 runs everywhere", "20 MB"}
		for _, k := range r.Checks {
			want = append(want, k.Name)
			if !k.OK {
				want = append(want, k.Detail)
			}
		}
		for _, f := range s.Faults {
			text := simulator.DescribeFault(f)
			want = append(want, text, moment(f.At))
		}
		for _, site := range s.Sites {
			want = append(want, site.Name)
		}
		for _, w := range want {
			if !strings.Contains(words, w) {
				t.Errorf("%d sites: nothing says %q", c.sites, w)
			}
		}
		if c.sites*c.nodes <= maxNodeLanes {
			for _, l := range r.Record.Lives {
				if !strings.Contains(words, l.Place+" is up") {
					t.Errorf("no lane for %s", l.Place)
				}
			}
		}
	}
}

// TestPageIsWellFormed: every element that begins ends, in order; x/net/html would mend it silently.
func TestPageIsWellFormed(t *testing.T) {
	s, r := story("x", 3, 3)
	r.Events = events(r, "", 500)
	var open []string
	ids := map[string]bool{}
	z := html.NewTokenizer(strings.NewReader(write(t, s, r)))
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return
		case html.StartTagToken:
			tag := z.Token()
			for _, a := range tag.Attr {
				if a.Key == "id" && ids[a.Val] {
					t.Errorf("id %q twice", a.Val)
				}
				if a.Key == "id" {
					ids[a.Val] = true
				}
			}
			if tag.Data != "meta" && tag.Data != "br" {
				open = append(open, tag.Data)
			}
		case html.EndTagToken:
			tag := z.Token().Data
			if len(open) == 0 || open[len(open)-1] != tag {
				t.Fatalf("</%s> ends %v", tag, open)
			}
			open = open[:len(open)-1]
		}
	}
}

// TestPageNeedsNothing: it refers to nothing but its own parts.
func TestPageNeedsNothing(t *testing.T) {
	s, r := story("x", 3, 3)
	page := write(t, s, r)
	if strings.Contains(page, "://") || strings.Contains(page, "@import") {
		t.Error("it names something elsewhere")
	}
	_, elements := parse(t, page)
	for _, n := range elements {
		for _, a := range n.Attr {
			local := strings.HasPrefix(a.Val, "#")
			if a.Key == "src" || a.Key == "href" && !local || strings.Contains(a.Val, "url(") && !strings.Contains(a.Val, "url(#") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		if slices.Contains([]string{"link", "img", "iframe", "object", "embed", "base", "form"}, n.Data) {
			t.Errorf("there is a <%s>", n.Data)
		}
	}
}

// TestHostileNames: names are shown, never obeyed.
func TestHostileNames(t *testing.T) {
	for _, evil := range []string{`</script><img src=x onerror=alert(1)>`, `</title></svg><script>alert(1)</script>`, `"><b onclick="x">`, `' style='x`, `--><script>`, "{{.}}", "]]>", "javascript:alert(1)//"} {
		s, r := story(evil, 2, 3)
		r.Engine, r.TraceSHA256 = evil, evil
		r.Events = events(r, evil, 500)
		for i := range r.Events {
			r.Events[i].What += evil
		}
		words, elements := parse(t, write(t, s, r))
		if !strings.Contains(words, s.Name) || !strings.Contains(words, s.Sites[1].Name) {
			t.Errorf("%q is not shown as it is", evil)
		}
		scripts := 0
		for _, n := range elements {
			if n.Data == "script" {
				scripts++
			}
			if n.Data == "img" {
				t.Errorf("%q made a <%s>", evil, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
					t.Errorf("%q made %s=%q", evil, a.Key, a.Val)
				}
			}
		}
		if scripts != 1 {
			t.Errorf("%q: %d scripts", evil, scripts)
		}
	}
}

// TestSizeIsBounded: 1,000 nodes and as many events as a trace keeps, at few sites and at many.
func TestSizeIsBounded(t *testing.T) {
	for _, c := range []struct{ sites, nodes int }{{4, 250}, {100, 10}, {1000, 1}} {
		s, r := story("a-rather-long-name-", c.sites, c.nodes)
		for i := range 1000 {
			s.Faults = append(s.Faults, scenario.Fault{At: time.Duration(i) * time.Second / 2, For: time.Minute, Kind: scenario.Crash, On: r.Record.Lives[i%len(r.Record.Lives)].Place})
		}
		r.Events = events(r, strings.Repeat("y", 200), 200_000)
		begin := time.Now()
		page := write(t, s, r)
		t.Logf("%d sites: %d bytes in %s", c.sites, len(page), time.Since(begin).Round(time.Millisecond))
		if len(page) > MaxBytes {
			t.Errorf("%d sites of %d: %d bytes", c.sites, c.nodes, len(page))
		}
		if !strings.Contains(page, "Not shown: ") || !strings.Contains(page, "Left out: ") {
			t.Error("it does not say what was left out")
		}
	}
}

// TestWithoutRecord: a Result of which nothing was recorded has a page too.
func TestWithoutRecord(t *testing.T) {
	s, r := story("x", 2, 2)
	r.Record = nil
	words, _ := parse(t, write(t, s, r))
	if !strings.Contains(words, "Nothing was recorded.") || !strings.Contains(words, "--window 20s..30s") {
		t.Error("it does not say so")
	}
	write(t, scenario.Scenario{}, simulator.Result{})
}

func TestMoment(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", time.Minute: "1m", 10 * time.Second: "10s", 14 * time.Hour: "14h", time.Hour + 5*time.Second: "1h0m5s",
		98*time.Second + 204567*time.Microsecond: "1m38.205s", 20 * time.Minute: "20m"} {
		if got := moment(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// TestAxis: there are few ticks, each once, whatever the length of a story.
func TestAxis(t *testing.T) {
	for end := time.Second; end < 2000*time.Hour; end = end*17/10 + time.Millisecond {
		var seen []string
		first := 0
		for _, k := range (scale{end}).axis().Ticks {
			if slices.Contains(seen, k.X) {
				t.Fatalf("%s: %s twice", end, k.X)
			}
			seen = append(seen, k.X)
			if k.Level == 0 {
				first++
			}
		}
		if first < 2 || first > maxTicks+1 || len(seen) > 300 {
			t.Errorf("%s: %d ticks, %d of the first level", end, len(seen), first)
		}
	}
}

// TestLeads: a bar is as long as a node led, by its own word, or until it was missed.
func TestLeads(t *testing.T) {
	const s = time.Second
	lives := []simulator.Life{{Place: "a/n0", Site: "a", Up: []simulator.Span{{To: 50 * s}, {From: 60 * s, To: 200 * s}}}, {Place: "a/n1", Site: "a", Up: []simulator.Span{{To: 200 * s}}}}
	events := []simulator.Event{
		{At: 10 * s, On: "a/n0", What: "lead: gained", Text: "epoch=7"}, {At: 20 * s, On: "a/n0", What: "lead: renewed", Text: "epoch=8"},
		{At: 60 * s, On: "a/n0", What: "node: up"}, {At: 61 * s, On: "a/n1", What: "lead: gained", Text: "epoch=9"},
		{At: 90 * s, On: "a/n1", What: "lead: lost", Text: "epoch=9"}, {At: 100 * s, On: "a/n0", What: "lead: gained", Text: "epoch=11"},
	}
	want := []reign{{"a/n0", 10 * s, 50 * s, "7", false}, {"a/n1", 61 * s, 90 * s, "9", true}, {"a/n0", 100 * s, 200 * s, "11", false}}
	if got := reigns(events, lives, 200*s); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	page := write(t, scenario.Scenario{Sites: []scenario.Site{{Name: "a", Nodes: 2}}}, simulator.Result{VirtualSeconds: 200, Events: events, Record: &simulator.Record{Lives: lives}})
	if n := strings.Count(page, `<rect class="leads" x="`); n != 4 { // one of the legend
		t.Errorf("%d bars", n)
	}
}
