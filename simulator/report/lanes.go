package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/simulator"
)

// What lanes there are, at most.
const (
	maxNodeLanes = 40  // if there are more nodes, lanes are of sites
	maxSiteLanes = 100 // of these, those of which there is most to tell
	mostPlaces   = 200 // for marks on a lane: those of one kind at one place are one mark
	leastPlaces  = 25  // if there are too many marks
	maxMarks     = 4000
	titleLines   = 4  // of a mark of many events
	titleLine    = 96 // bytes of each
)

// lanes are the nodes, or sites, on the timeline.
type lanes struct {
	OfSites bool
	Lanes   []lane
	LeftOut int // lanes
	Hidden  int // marks
	Lost    int // events that were not kept
}

// lane is one node or site.
type lane struct {
	Name, Title string
	First       bool // of its site
	Up, Down    []strip
	Leads       []strip // when the node, or one of the site, led the site
	Share       string  // of a site: the path of how many of its nodes are up
	Faults      []strip
	Marks       []mark
	weight      int
}

// mark is what a node told at a moment, or about it.
type mark struct {
	X, Kind, Title string
}

func newLanes(rec simulator.Record, events []simulator.Event, fs faults, sc scale) lanes {
	out := lanes{OfSites: len(rec.Lives) > maxNodeLanes}
	told := placeMarks(events, out.OfSites, sc)
	led := reigns(events, rec.Lives, fs.end)
	if out.OfSites {
		for _, site := range sitesOf(rec) {
			l := siteLane(site, rec, told[site], fs)
			l.Leads = leads(led, func(place string) bool { return strings.HasPrefix(place, site+"/") }, sc)
			out.Lanes = append(out.Lanes, l)
		}
	} else {
		last := ""
		for _, l := range rec.Lives {
			n := nodeLane(l, l.Site != last, told[l.Place], fs)
			n.Leads = leads(led, func(place string) bool { return place == l.Place }, sc)
			out.Lanes = append(out.Lanes, n)
			last = l.Site
		}
	}
	out.choose()
	out.thin()
	return out
}

// choose leaves out the lanes of which there is least to tell, if there are too many.
func (ls *lanes) choose() {
	if len(ls.Lanes) <= maxSiteLanes {
		return
	}
	var weights []int
	for _, l := range ls.Lanes {
		weights = append(weights, l.weight)
	}
	slices.Sort(weights)
	least := weights[len(weights)-maxSiteLanes]
	room := maxSiteLanes
	for _, l := range ls.Lanes {
		if l.weight > least {
			room--
		}
	}
	before := len(ls.Lanes)
	ls.Lanes = slices.DeleteFunc(ls.Lanes, func(l lane) bool {
		if l.weight == least && room > 0 {
			room--
			return false
		}
		return l.weight <= least
	})
	ls.LeftOut = before - len(ls.Lanes)
}

// thin leaves out the marks that say least, if there are too many.
func (ls *lanes) thin() {
	total := 0
	for _, l := range ls.Lanes {
		total += len(l.Marks)
	}
	for _, kind := range []string{"met", "gone", "other", "up", "start", "verified", "alert"} {
		if total <= maxMarks {
			return
		}
		for i := range ls.Lanes {
			l := &ls.Lanes[i]
			before := len(l.Marks)
			l.Marks = slices.DeleteFunc(l.Marks, func(m mark) bool { return m.Kind == kind })
			total -= before - len(l.Marks)
			ls.Hidden += before - len(l.Marks)
		}
	}
}

func sitesOf(rec simulator.Record) []string {
	var out []string
	seen := map[string]bool{}
	for _, l := range rec.Lives {
		if !seen[l.Site] {
			seen[l.Site] = true
			out = append(out, l.Site)
		}
	}
	return out
}

func nodeLane(l simulator.Life, first bool, marks []mark, fs faults) lane {
	out := lane{Name: l.Place, First: first, Faults: fs.strips(l.Site, l.Place, maxNodeLanes), Marks: marks, Title: l.Place}
	for i, s := range l.Up[:min(len(l.Up), maxStrips)] {
		out.Up = append(out.Up, strip{X: fs.x(s.From), W: percent(fs.at(s.To) - fs.at(s.From)), Title: fmt.Sprintf("%s is up\n%s … %s", l.Place, moment(s.From), moment(s.To))})
		until := fs.end
		if i+1 < len(l.Up) {
			until = l.Up[i+1].From
		}
		if until > s.To {
			out.Down = append(out.Down, strip{X: fs.x(s.To), W: percent(fs.at(until) - fs.at(s.To)), Title: fmt.Sprintf("%s is down, or stands still\n%s … %s", l.Place, moment(s.To), moment(until))})
		}
	}
	return out
}

// siteLane is how many of a site's nodes are up.
func siteLane(site string, rec simulator.Record, marks []mark, fs faults) lane {
	type change struct {
		at time.Duration
		by int
	}
	var changes []change
	nodes, lives := 0, 0
	for _, l := range rec.Lives {
		if l.Site != site {
			continue
		}
		nodes++
		lives += len(l.Up)
		for _, s := range l.Up {
			changes = append(changes, change{s.From, 1})
			if s.To < fs.end {
				changes = append(changes, change{s.To, -1})
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return int(a.at - b.at) })
	var p path
	p.move(0, height)
	up := 0
	for _, c := range changes {
		p.across(fs.at(c.at) * width)
		up += c.by
		p.down(height * (1 - float64(up)/float64(nodes)))
	}
	p.across(width)
	p.down(height)
	out := lane{Name: site, First: true, Share: p.String(), Faults: fs.strips(site, "", maxSiteLanes), Marks: marks, Title: site + ", " + count(nodes, "node")}
	out.weight = 10*(lives-nodes) + 5*len(fs.touching(site, ""))
	for _, m := range marks {
		if m.Kind == "alert" || m.Kind == "failed" {
			out.weight += 20
		}
	}
	return out
}

// kindOf says what mark an event gets; "" if none.
func kindOf(e simulator.Event) string {
	switch e.What {
	case "fault", "fault ends", "seed", "deploy", "deployed", "join", "uplink", "charter", "revoke", "witness", "issuer", "yield", "up":
		return "" // the story's own, which the page shows otherwise
	case "lead: gained", "lead: lost", "lead: renewed":
		return "" // a bar of the lane
	case "node: up":
		return "up"
	case "node: peer met":
		return "met"
	case "node: peer gone":
		return "gone"
	case "deploy: starting":
		return "start"
	case "deploy: version verified":
		return "verified"
	case "deploy: version failed":
		return "failed"
	case "cannot start", "uplink refused":
		return "alert"
	}
	switch e.Level {
	case "debug":
		return ""
	case "warn", "error":
		return "alert"
	}
	return "other"
}

// order is how marks are drawn: what matters most comes last, on top.
func order(kind string) int {
	return slices.Index([]string{"met", "gone", "other", "up", "start", "verified", "alert", "failed"}, kind)
}

// placeMarks makes the marks of each lane, finely as far as they are not too many.
func placeMarks(events []simulator.Event, bySite bool, sc scale) (out map[string][]mark) {
	for places := mostPlaces; places >= leastPlaces; places /= 2 {
		out = groupEvents(events, bySite, places, sc)
		total := 0
		for _, marks := range out {
			total += len(marks)
		}
		if total <= maxMarks {
			break
		}
	}
	return out
}

// groupEvents makes the marks of each lane: events of one kind that are too near to be told apart are one.
func groupEvents(events []simulator.Event, bySite bool, places int, sc scale) map[string][]mark {
	type key struct {
		lane, kind string
		bin        int
	}
	var keys []key
	groups := map[key][]simulator.Event{}
	counts := map[key]int{}
	for _, e := range events {
		kind := kindOf(e)
		if kind == "" || e.On == "" {
			continue
		}
		k := key{e.On, kind, int(sc.at(e.At) * float64(places))}
		if bySite {
			k.lane, _, _ = strings.Cut(e.On, "/")
		}
		if counts[k]++; counts[k] == 1 {
			keys = append(keys, k)
		}
		if len(groups[k]) < titleLines {
			groups[k] = append(groups[k], e)
		}
	}
	slices.SortStableFunc(keys, func(a, b key) int { return order(a.kind) - order(b.kind) })
	out := map[string][]mark{}
	for _, k := range keys {
		out[k.lane] = append(out[k.lane], mark{X: sc.x(groups[k][0].At), Kind: k.kind, Title: markTitle(groups[k], counts[k], bySite)})
	}
	return out
}

func markTitle(events []simulator.Event, n int, bySite bool) string {
	var lines []string
	for _, e := range events {
		line := moment(e.At) + "  " + e.What
		if bySite {
			line = moment(e.At) + "  " + e.On + "  " + e.What
		}
		if e.Peer != "" {
			line += " " + e.Peer
		}
		if e.Text != "" {
			line += ", " + e.Text
		}
		lines = append(lines, clip(line, titleLine))
	}
	if n > len(events) {
		lines = append(lines, fmt.Sprintf("and %d more", n-len(events)))
	}
	return strings.Join(lines, "\n")
}
