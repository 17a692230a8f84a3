package report

import (
	"strconv"
	"strings"
)

// Curves are drawn in a box of this size, which is stretched.
const (
	width  = 1000.0
	height = 100.0
)

// maxPoints bounds the points of all curves of one section.
const maxPoints = 40_000

// path is the data of an SVG path. What does not change it is not written.
type path struct {
	b    strings.Builder
	x, y string
}

func num(f float64) string { return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") }

func (p *path) move(x, y float64) {
	p.x, p.y = num(x), num(y)
	p.b.WriteString("M" + p.x + " " + p.y)
}

func (p *path) line(x, y float64) {
	p.x, p.y = num(x), num(y)
	p.b.WriteString("L" + p.x + " " + p.y)
}

func (p *path) across(x float64) {
	if s := num(x); s != p.x {
		p.x = s
		p.b.WriteString("H" + s)
	}
}

func (p *path) down(y float64) {
	if s := num(y); s != p.y {
		p.y = s
		p.b.WriteString("V" + s)
	}
}

func (p *path) String() string { return p.b.String() }

// point is in the box.
type point struct{ x, y float64 }

// polyline draws a line through points; of those at one height it keeps the ends.
func polyline(ps []point) string {
	var p path
	p.through(ps)
	return p.String()
}

// through goes on through points.
func (p *path) through(ps []point) {
	for i, q := range ps {
		switch {
		case p.b.Len() == 0:
			p.move(q.x, q.y)
		case i > 0 && i+1 < len(ps) && num(ps[i-1].y) == num(q.y) && num(q.y) == num(ps[i+1].y):
		default:
			p.line(q.x, q.y)
		}
	}
}

// pick chooses at most most of n samples, evenly, the first and the last among them.
func pick(n, most int) []int {
	if n <= most {
		most = n
	}
	var out []int
	for i := range most {
		out = append(out, i*(n-1)/max(1, most-1))
	}
	return out
}

// share is how many points each of n curves may have.
func share(n int) int { return min(600, max(30, maxPoints/max(1, n))) }
