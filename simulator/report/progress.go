package report

import (
	"slices"
	"time"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// How progress is drawn.
const (
	maxLines     = 6  // nodes of a site that have a line each
	maxLineNodes = 48 // of the fleet; if there are more, every site has a band
	maxCurveRows = 100
)

// progress is how many bytes nodes held.
type progress struct {
	Rows    []progressRow
	Bands   bool // some site has one
	Height  int  // of a row
	LeftOut int  // sites
}

// progressRow is one site.
type progressRow struct {
	Site, Max string
	Nodes     int
	Lines     []line
	Band      string // from the least to the most that a node of the site holds
	Mean      string
	Seeded    string // all releases so far
	Faults    []strip
	Tall      bool          // there is room for more than the name
	done      time.Duration // when the last of its nodes held all; the end of the story if that was never
}

// line is one node's curve.
type line struct {
	Name, Path string
	Style      int // 0 to maxLines-1
}

func newProgress(s scenario.Scenario, rec simulator.Record, fs faults, sc scale) progress {
	var out progress
	at := rec.Series.At
	if len(at) == 0 {
		return out
	}
	sites := sitesOf(rec)
	bands := len(rec.Lives) > maxLineNodes
	points := pick(len(at), share(3*min(len(sites), maxCurveRows)))
	if !bands {
		points = pick(len(at), share(len(rec.Lives)+len(sites)))
	}
	most := int64(1)
	for _, k := range s.Work {
		if k.Seed != nil && k.At <= sc.end {
			most += k.Seed.Size
		}
	}
	for _, site := range sites {
		var nodes []simulator.NodeSeries
		for i, n := range rec.Series.Nodes {
			if i < len(rec.Lives) && rec.Lives[i].Site == site {
				nodes = append(nodes, n)
			}
		}
		row := progressRow{Site: site, Max: bytesText(most - 1), Nodes: len(nodes), Faults: fs.tints(site), Seeded: seeded(s, sc, most), done: doneBy(nodes, at, sc)}
		if !bands && len(nodes) <= maxLines {
			row.lines(nodes, at, points, sc, most)
		} else {
			row.band(nodes, at, points, sc, most)
		}
		out.Rows = append(out.Rows, row)
	}
	out.choose()
	switch n := len(out.Rows); {
	case n <= 8:
		out.Height = 92
	case n <= 24:
		out.Height = 48
	default:
		out.Height = 30
	}
	for i := range out.Rows {
		out.Rows[i].Tall = out.Height > 40
		out.Bands = out.Bands || out.Rows[i].Band != ""
	}
	return out
}

// choose leaves out the sites that had all first, if there are too many.
func (p *progress) choose() {
	if len(p.Rows) <= maxCurveRows {
		return
	}
	late := slices.Clone(p.Rows)
	slices.SortStableFunc(late, func(a, b progressRow) int { return int(b.done - a.done) })
	keep := map[string]bool{}
	for _, r := range late[:maxCurveRows] {
		keep[r.Site] = true
	}
	p.LeftOut = len(p.Rows) - maxCurveRows
	p.Rows = slices.DeleteFunc(p.Rows, func(r progressRow) bool { return !keep[r.Site] })
}

// doneBy returns when the last of the nodes had what it had in the end.
func doneBy(nodes []simulator.NodeSeries, at []time.Duration, sc scale) (last time.Duration) {
	for _, n := range nodes {
		for i := len(n.Held) - 1; i >= 0 && i < len(at); i-- {
			if n.Held[i] < n.Held[len(n.Held)-1] {
				last = max(last, at[min(i+1, len(at)-1)])
				break
			}
		}
	}
	return last
}

// y is where a number of bytes is in the box.
func y(n, most int64) float64 { return height * (1 - min(1, float64(n)/float64(most))) }

// seeded is the step line of how many bytes of releases there are.
func seeded(s scenario.Scenario, sc scale, most int64) string {
	var p path
	p.move(0, height)
	var sum int64
	for _, k := range s.Work {
		if k.Seed != nil && k.At <= sc.end {
			p.across(sc.at(k.At) * width)
			sum += k.Seed.Size
			p.down(y(sum, most))
		}
	}
	p.across(width)
	return p.String()
}

func (r *progressRow) lines(nodes []simulator.NodeSeries, at []time.Duration, points []int, sc scale, most int64) {
	for i, n := range nodes {
		var ps []point
		for _, k := range points {
			if k < len(n.Held) {
				ps = append(ps, point{sc.at(at[k]) * width, y(n.Held[k], most)})
			}
		}
		r.Lines = append(r.Lines, line{Name: nodeOf(n.Node), Path: polyline(ps), Style: i})
	}
}

// nodeOf returns the node's name of SITE/NODE.
func nodeOf(place string) string {
	for i := range place {
		if place[i] == '/' {
			return place[i+1:]
		}
	}
	return place
}

func (r *progressRow) band(nodes []simulator.NodeSeries, at []time.Duration, points []int, sc scale, most int64) {
	var low, high, mean []point
	for _, k := range points {
		least, top, sum, n := most, int64(0), int64(0), int64(0)
		for _, s := range nodes {
			if k < len(s.Held) {
				least, top, sum, n = min(least, s.Held[k]), max(top, s.Held[k]), sum+s.Held[k], n+1
			}
		}
		x := sc.at(at[k]) * width
		low, high, mean = append(low, point{x, y(least, most)}), append(high, point{x, y(top, most)}), append(mean, point{x, y(sum/max(1, n), most)})
	}
	slices.Reverse(low)
	var p path
	p.through(high)
	p.through(low)
	r.Band, r.Mean = p.String(), polyline(mean)
}
