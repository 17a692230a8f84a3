package report

import (
	"time"

	"selvage/simulator"
)

// checkRow is a row of the table of checks.
type checkRow struct {
	simulator.Check
	When string
}

const maxDetail = 500 // bytes

func checkRows(r simulator.Result) []checkRow {
	var out []checkRow
	for _, c := range r.Checks {
		c.Detail = clip(c.Detail, maxDetail)
		if c.OK {
			c.Detail = ""
		}
		out = append(out, checkRow{c, when(c)})
	}
	return out
}

// when says when a check came true, or was broken.
func when(c simulator.Check) string {
	at := moment(seconds(c.AtSeconds))
	switch {
	case c.Kind == "budget":
		return "in the end"
	case c.Kind == "story":
		return "ended at " + at
	case c.Kind == "always" && c.OK:
		return "all along"
	case c.Kind == "always":
		return "broken at " + at
	case c.OK:
		return "since " + at
	case c.Kind == "sometimes":
		return "never"
	}
	return "not by " + moment(seconds(c.UntilSeconds))
}

// checkLane is a check on the timeline: from when to when it counts, and what came of it.
type checkLane struct {
	Kind, Name, Title string
	First             bool // of its kind
	X, W              string
	Kept              bool // it held for all of that
	MarkX             string
	Mark              string // "held", "broken" or "", which it kept to the end
	Label, Anchor     string
	Dx                int
}

func checkLanes(r simulator.Result, sc scale) []checkLane {
	var out []checkLane
	kind := ""
	for _, c := range r.Checks {
		if c.Kind == "budget" || c.Kind == "story" {
			continue // they are of no time
		}
		from, until, at := seconds(c.FromSeconds), seconds(c.UntilSeconds), seconds(c.AtSeconds)
		l := checkLane{Kind: c.Kind, Name: c.Name, First: c.Kind != kind, X: sc.x(from), W: percent(sc.at(until) - sc.at(from)), Label: when(c), Title: title(c)}
		kind = c.Kind
		switch {
		case c.Kind == "always" && c.OK:
			at, l.Label, l.Kept = -1, "", true
		case c.Kind == "always":
			l.Mark, l.Kept, l.W = "broken", true, percent(sc.at(at)-sc.at(from))
		case c.OK:
			l.Mark = "held"
			if c.Kind == "eventually" && from > 0 {
				l.Label += ", after " + moment(at-from)
			}
		default:
			l.Mark, at = "broken", min(until, sc.end)
		}
		l.place(sc, at)
		out = append(out, l)
	}
	return out
}

func title(c simulator.Check) string {
	t := c.Kind + " " + c.Name + "\n" + when(c)
	if !c.OK && c.Detail != "" {
		t += "\n" + c.Detail
	}
	return clip(t, 400)
}

// place puts the mark at a moment, and its label where there is room.
func (l *checkLane) place(sc scale, at time.Duration) {
	if at < 0 {
		return
	}
	l.MarkX, l.Dx, l.Anchor = sc.x(at), 9, "start"
	if sc.at(at)+widthOf(l.Label)+0.03 > 1 {
		l.Dx, l.Anchor = -9, "end"
	}
}
