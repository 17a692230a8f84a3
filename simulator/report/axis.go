package report

import (
	"slices"
	"strconv"
	"time"
)

// scale places times on the page's width.
type scale struct{ end time.Duration }

// at returns where a time is, from 0 to 1.
func (s scale) at(t time.Duration) float64 { return min(1, max(0, float64(t)/float64(s.end))) }

// x is at in percent.
func (s scale) x(t time.Duration) string { return percent(s.at(t)) }

func percent(f float64) string { return strconv.FormatFloat(f*100, 'f', 2, 64) + "%" }

// reference is how wide, in pixels, the drawings are at least on a screen: what fits then always fits.
const reference = 540

// charWidth is about how wide a letter of a label is.
const charWidth = 6.4

// widthOf estimates how much of the width a label takes.
func widthOf(label string) float64 { return float64(len([]rune(label))) * charWidth / reference }

// axis is the ticks. Those of a finer level are shown when the page is zoomed in.
type axis struct {
	Ticks []tick
	End   float64 // seconds
}

type tick struct {
	X, Label string
	Level    int
}

// steps are what ticks are apart, at most.
func steps() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{s / 10, s / 5, s / 2, s, 2 * s, 5 * s, 10 * s, 30 * s, m, 2 * m, 5 * m, 10 * m, 30 * m, h, 2 * h, 6 * h, 12 * h, 24 * h, 48 * h, 120 * h, 240 * h, 720 * h}
}

// The ticks of each level, at most.
const (
	maxTicks  = 8
	fineTicks = 5 // times as many, of each level beyond
)

func (s scale) axis() axis {
	a := axis{End: s.end.Seconds()}
	var seen []time.Duration
	most := maxTicks
	for level := range 3 {
		all := steps()
		i := slices.IndexFunc(all, func(step time.Duration) bool { return int(s.end/step) <= most })
		step := all[len(all)-1]
		if i >= 0 {
			step = all[i]
		}
		for t := time.Duration(0); t <= s.end && len(a.Ticks) < 1000; t += step {
			if !slices.ContainsFunc(seen, func(o time.Duration) bool { return t%o == 0 }) {
				a.Ticks = append(a.Ticks, tick{s.x(t), moment(t), level})
			}
		}
		seen = append(seen, step)
		most *= fineTicks
	}
	return a
}
