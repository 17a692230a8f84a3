package report

import (
	"slices"
	"strings"
	"time"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// What is drawn of faults and work, at most.
const (
	maxBars    = 400 // bars or marks
	maxBarRows = 40
	maxNamed   = 80  // with a label; if there are more, none has one
	maxListed  = 500 // rows of the table of faults
)

// fault is a fault with what the page says of it.
type fault struct {
	scenario.Fault
	begin, end  time.Duration // end is that of the story for one that lasts for good
	forGood     bool
	where, text string
}

// faults are those of the story, in the order in which they begin.
type faults struct {
	scale
	all  []fault // that came about
	late []fault // that the story did not come to
}

func newFaults(s scenario.Scenario, sc scale) faults {
	out := faults{scale: sc}
	for _, f := range s.Faults {
		text := simulator.DescribeFault(f)
		x := fault{Fault: f, begin: f.At, end: f.At + f.For, forGood: f.For == 0 && f.Kind != scenario.Restore, where: whereOf(f), text: clip(text, 300)}
		if x.forGood || x.end > sc.end {
			x.end = sc.end
		}
		if f.At > sc.end {
			out.late = append(out.late, x)
		} else {
			out.all = append(out.all, x)
		}
	}
	return out
}

// whereOf says where a fault is.
func whereOf(f scenario.Fault) string {
	switch {
	case f.On != "":
		return f.On
	case f.From != "":
		return f.From + " → " + f.To
	}
	var groups []string
	for _, g := range f.Groups {
		groups = append(groups, strings.Join(g, " "))
	}
	return strings.Join(groups, " | ")
}

// touches reports whether a fault is of a node, or for node "" of a site or one of its nodes.
func (f fault) touches(site, place string) bool {
	names := []string{f.On, f.From, f.To}
	for _, g := range f.Groups {
		names = append(names, g...)
	}
	return slices.ContainsFunc(names, func(n string) bool {
		return n != "" && (n == site || n == place || place == "" && strings.HasPrefix(n, site+"/"))
	})
}

// class groups the kinds of faults, for their colours.
func (f fault) class() string {
	switch f.Kind {
	case scenario.Partition, scenario.Cut, scenario.Isolate, scenario.Degrade:
		return "net"
	case scenario.Crash, scenario.PowerCut, scenario.Restore, scenario.Pause, scenario.Suspend:
		return "machine"
	}
	return "state"
}

func (f fault) title() string {
	t := f.text + "\n" + f.where + "\n" + moment(f.begin) + " … "
	if f.forGood {
		return t + "for good"
	}
	return t + moment(f.At+f.For)
}

// strip is a fault in the background of a row.
type strip struct{ X, W, Class, Title string }

// maxStrips bounds those of one kind in one row; of all rows, maxAllStrips.
const (
	maxStrips    = 60
	maxAllStrips = 2000
)

// strips are the faults that touch a node, or a site if place is "". Where there are too many, those of one class
// that are near each other become one.
func (fs faults) strips(site, place string, rows int) []strip {
	most := min(maxStrips, max(8, maxAllStrips/max(1, rows)))
	touching := fs.touching(site, place)
	near := 0.0
	if len(touching) > most {
		near = 1 / float64(most)
	}
	return fs.join(touching, near, len(touching) > most, clip)
}

// tints are strips that say nothing: those that overlap are one.
func (fs faults) tints(site string) []strip {
	return fs.join(fs.touching(site, ""), 1.0/maxStrips, true, func(string, int) string { return "" })
}

func (fs faults) touching(site, place string) []fault {
	var out []fault
	for _, f := range fs.all {
		if f.touches(site, place) {
			out = append(out, f)
		}
	}
	return out
}

// join makes strips of faults, which ascend by their begin. If together says so, one takes in what begins
// before its end and a bit more.
func (fs faults) join(list []fault, near float64, together bool, title func(string, int) string) []strip {
	type joined struct {
		fault
		from, to float64
		count    int
	}
	var all []joined
	last := map[string]int{} // of a class, its place in all, plus one
	for _, f := range list {
		from, to := fs.at(f.begin), fs.at(f.end)
		if i := last[f.class()]; together && i > 0 && from <= all[i-1].to+near {
			all[i-1].to = max(all[i-1].to, to)
			all[i-1].count++
			continue
		}
		all = append(all, joined{f, from, to, 1})
		last[f.class()] = len(all)
	}
	var out []strip
	for _, j := range all {
		text := j.title()
		if j.count > 1 {
			text = count(j.count, "fault") + ", first " + text
		}
		out = append(out, strip{percent(j.from), percent(j.to - j.from), j.class(), title(text, 200)})
	}
	return out
}

// packed are bars or marks in as many rows as they need.
type packed struct {
	Bars    []bar
	Height  int
	LeftOut int
	Late    int // that the story did not come to
}

type bar struct {
	X, W          string // W is "" for a mark
	Y             int    // of its upper edge
	Class, Title  string
	Label         string
	LabelX        string
	Dx            int
	Anchor        string
	Open          bool // it has no end
	begin, end    float64
	first, behind float64 // what it takes with its label
}

// barHeight is that of a row of bars.
const barHeight = 20

// name gives a bar its label: in it, behind it or before it, where there is room.
func (b *bar) name(label string) {
	const gap = 12.0 / reference
	w := widthOf(label) + gap
	b.Label, b.LabelX, b.Dx, b.Anchor = label, percent(b.begin), 5, "start"
	b.first, b.behind = b.begin, max(b.end, b.begin+w)
	switch {
	case b.end-b.begin > w:
	case b.end+w <= 1:
		b.LabelX, b.Dx, b.behind = percent(b.end), 7, b.end+w
	default:
		b.LabelX, b.Dx, b.Anchor = percent(b.begin), -7, "end"
		b.first, b.behind = b.begin-w, b.end
	}
	if b.W == "" { // a mark is around its moment
		b.Dx += b.Dx / 2
	}
}

// pack puts each bar into the first row that has room for it.
func pack(bars []bar) packed {
	var p packed
	if len(bars) > maxBars {
		p.LeftOut, bars = len(bars)-maxBars, bars[:maxBars]
	}
	type taken struct{ from, to float64 }
	var rows [][]taken
	for _, b := range bars {
		fits := func(row []taken) bool {
			return !slices.ContainsFunc(row, func(o taken) bool { return b.first < o.to && o.from < b.behind })
		}
		i := slices.IndexFunc(rows, fits)
		if i < 0 && len(rows) == maxBarRows {
			p.LeftOut++
			continue
		}
		if i < 0 {
			i, rows = len(rows), append(rows, nil)
		}
		rows[i] = append(rows[i], taken{b.first, b.behind + 4.0/reference})
		b.Y = i * barHeight
		p.Bars = append(p.Bars, b)
	}
	p.Height = len(rows) * barHeight
	return p
}

func (fs faults) pack() packed {
	var bars []bar
	for _, f := range fs.all {
		b := bar{X: fs.x(f.begin), W: percent(max(fs.at(f.end)-fs.at(f.begin), 0.002)), Class: f.class(), Title: clip(f.title(), 300), Open: f.forGood,
			begin: fs.at(f.begin), end: fs.at(f.end), first: fs.at(f.begin), behind: fs.at(f.end)}
		if len(fs.all) <= maxNamed {
			b.name(clip(string(f.Kind)+" "+f.where, 44))
		}
		bars = append(bars, b)
	}
	p := pack(bars)
	p.Late = len(fs.late)
	return p
}

// faultRow is a row of the table of faults.
type faultRow struct{ Begin, End, Kind, Where, Text string }

func (fs faults) rows() []faultRow {
	var out []faultRow
	add := func(f fault, end string) {
		if len(out) < maxListed {
			out = append(out, faultRow{moment(f.At), end, string(f.Kind), clip(f.where, 300), f.text})
		}
	}
	for _, f := range fs.all {
		switch {
		case f.forGood:
			add(f, "for good")
		case f.At+f.For > fs.end:
			add(f, "after the end")
		default:
			add(f, moment(f.At+f.For))
		}
	}
	for _, f := range fs.late {
		add(f, "not come to")
	}
	return out
}

// workMarks are what people did, and when a deployment had got everywhere.
func workMarks(s scenario.Scenario, r simulator.Result, sc scale) packed {
	var bars []bar
	add := func(at time.Duration, class, label, title string) {
		x := sc.at(at)
		b := bar{X: percent(x), Class: class, Title: clip(title+"\n"+moment(at), 300), begin: x, end: x, first: x, behind: x}
		b.name(clip(label, 44))
		bars = append(bars, b)
	}
	late := 0
	for _, k := range s.Work {
		if k.At > sc.end {
			late++
			continue
		}
		class, label, title := describeWork(k)
		add(k.At, class, label, title)
	}
	for _, e := range r.Events {
		if e.What == "deployed" && e.On == "" {
			add(e.At, "done", e.Text, e.Text)
		}
	}
	slices.SortStableFunc(bars, func(a, b bar) int { return compare(a.begin, b.begin) })
	p := pack(bars)
	p.Late = late
	return p
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func describeWork(k scenario.Work) (class, label, title string) {
	switch {
	case k.Seed != nil:
		what := k.Seed.Name + "@" + k.Seed.Version
		return "seed", "seed " + what, "seed " + what + ", " + bytesText(k.Seed.Size) + ", at " + k.Seed.From
	case k.Deploy != nil:
		return "deploy", "deploy " + k.Deploy.Release, "deploy " + k.Deploy.Name + ": " + k.Deploy.Release + ", at " + k.Deploy.From
	case k.Join != nil:
		what := "join " + k.Join.Site + "/" + k.Join.Name
		return "other", what, what
	case k.Uplink != nil:
		what := "uplink of " + k.Uplink.On + ": " + simulator.DescribeUplink(*k.Uplink)
		return "other", what, what
	case k.Charter != nil:
		return "other", "charter at " + k.Charter.From, "the charter is amended at " + k.Charter.From
	case k.Witness != nil:
		return "other", "witness " + k.Witness.Node, simulator.DescribeWitness(*k.Witness)
	case k.Lock != nil:
		return "other", "lock " + k.Lock.Name, k.Lock.On + " begins to take lock " + k.Lock.Name + " over and over"
	case k.Issuer != nil:
		return "other", "issuer " + k.Issuer.Node, simulator.DescribeIssuer(*k.Issuer)
	case k.Mirror != nil:
		return "other", "mirror of " + k.Mirror.Of, simulator.DescribeMirror(*k.Mirror)
	case k.Revoke != nil:
		return "other", "revoke " + k.Revoke.Node, k.Revoke.Node + " is revoked at " + k.Revoke.From
	case k.Yield != nil:
		what := "yield " + k.Yield.On
		return "other", what, "the node that leads is told to give that up, if it is " + k.Yield.On + " or there"
	}
	return "other", "work", "work"
}
