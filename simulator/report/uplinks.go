package report

import (
	"fmt"
	"time"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// maxUplinks bounds the rows of the table.
const maxUplinks = 1000

// uplinks are what crossed them.
type uplinks struct {
	Rows    []uplinkRow // over time
	Height  int
	LeftOut int // sites without a row; the table has them
	Table   []uplinkSum
	Missing int // sites that the table does not have
}

// uplinkRow is one uplink over time: down above the middle, up below it.
type uplinkRow struct {
	Site      string
	Max       string
	Down, Up  string
	DownLimit string // where the link's rate is, in percent of the height; "" if it has none, or it is far above
	UpLimit   string
	Limits    string
	Faults    []strip
	Tall      bool // there is room for more than the name
	peak      float64
}

// uplinkSum is what crossed an uplink in all.
type uplinkSum struct {
	Site                  string
	Down, Up, Blob, Ideal string
	Ratio                 string
	DownW, BlobW, IdealX  string
	UpW                   string
	HasIdeal, Over        bool
}

func newUplinks(s scenario.Scenario, r simulator.Result, rec simulator.Record, fs faults, sc scale) uplinks {
	var out uplinks
	out.sum(s, r)
	at := rec.Series.At
	n := min(len(rec.Series.Sites), maxCurveRows)
	points := pick(len(at), share(4*n))
	for i, series := range rec.Series.Sites {
		if len(out.Rows) == maxCurveRows {
			out.LeftOut = len(rec.Series.Sites) - maxCurveRows
			break
		}
		row := uplinkRow{Site: series.Site, Faults: fs.tints(series.Site)}
		down, up := rates(at, series.Down, points), rates(at, series.Up, points)
		for _, rate := range append(down, up...) {
			row.peak = max(row.peak, rate)
		}
		if i < len(s.Sites) {
			row.limit(s.Sites[i].Uplink)
		}
		row.Max = rateText(row.peak)
		row.Down, row.Up = area(at, down, points, row.peak, sc, -1), area(at, up, points, row.peak, sc, 1)
		out.Rows = append(out.Rows, row)
	}
	switch {
	case n <= 8:
		out.Height = 84
	case n <= 24:
		out.Height = 46
	default:
		out.Height = 32
	}
	for i := range out.Rows {
		out.Rows[i].Tall = out.Height > 60
	}
	return out
}

// limit shows the rates of the link where they are not far above what was used.
func (r *uplinkRow) limit(u scenario.Uplink) {
	const far = 1.6
	words := func(bits int64) string {
		if bits == 0 {
			return "no limit"
		}
		return rateText(float64(bits))
	}
	r.Limits = fmt.Sprintf("down %s, up %s", words(u.Down), words(u.Up))
	used := r.peak
	for _, bits := range []int64{u.Down, u.Up} {
		if float64(bits) < far*used {
			r.peak = max(r.peak, float64(bits))
		}
	}
	if u.Down > 0 && float64(u.Down) <= r.peak {
		r.DownLimit = percent(0.5 - float64(u.Down)/r.peak/2)
	}
	if u.Up > 0 && float64(u.Up) <= r.peak {
		r.UpLimit = percent(0.5 + float64(u.Up)/r.peak/2)
	}
}

// rates are the bits a second between the points; the first is 0.
func rates(at []time.Duration, bytes []int64, points []int) []float64 {
	out := make([]float64, len(points))
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		if d := at[b] - at[a]; d > 0 && b < len(bytes) {
			out[i] = max(0, float64(bytes[b]-bytes[a])*8/d.Seconds())
		}
	}
	return out
}

// area fills between the middle and the rates; way is -1 for up on the page, 1 for down.
func area(at []time.Duration, rates []float64, points []int, peak float64, sc scale, way float64) string {
	const middle = height / 2
	var p path
	p.move(0, middle)
	for i := 1; i < len(points); i++ {
		p.down(middle + way*middle*rates[i]/max(1, peak))
		if i+1 == len(points) || num(rates[i]) != num(rates[i+1]) {
			p.across(sc.at(at[points[i]]) * width)
		}
	}
	p.down(middle)
	return p.String()
}

// sum makes the table.
func (u *uplinks) sum(s scenario.Scenario, r simulator.Result) {
	most := int64(1)
	for _, l := range r.Uplinks {
		most = max(most, l.DownBytes, l.UpBytes, l.BlobBytes, l.IdealBytes)
	}
	part := func(n int64) string { return percent(float64(n) / float64(most)) }
	for _, l := range r.Uplinks {
		if len(u.Table) == maxUplinks {
			u.Missing++
			continue
		}
		row := uplinkSum{Site: l.Site, Down: bytesText(l.DownBytes), Up: bytesText(l.UpBytes), Blob: bytesText(l.BlobBytes), Ideal: bytesText(l.IdealBytes), Ratio: "–",
			DownW: part(l.DownBytes), UpW: part(l.UpBytes), BlobW: part(l.BlobBytes), IdealX: part(l.IdealBytes), HasIdeal: l.IdealBytes > 0}
		if l.IdealBytes > 0 {
			ratio := float64(l.BlobBytes) / float64(l.IdealBytes)
			row.Ratio = fmt.Sprintf("%.2f", ratio)
			row.Over = s.Budget.BlobRatio > 0 && ratio > s.Budget.BlobRatio
		}
		u.Table = append(u.Table, row)
	}
}
