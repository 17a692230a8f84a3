package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/simulator"
)

// reign is how long a node led its site without a break.
type reign struct {
	place    string
	from, to time.Duration
	epoch    string // of the lease when it began
	ended    bool   // the node said so
}

// reigns reads from what nodes told who led when. A node that was killed said nothing: it led until it was missed, at most.
func reigns(events []simulator.Event, lives []simulator.Life, end time.Duration) []reign {
	var out []reign
	open := map[string]int{} // by place: where in out, plus one
	finish := func(place string, at time.Duration, ended bool) {
		if i := open[place]; i > 0 {
			out[i-1].to, out[i-1].ended = at, ended
			delete(open, place)
		}
	}
	for _, e := range events {
		switch e.What {
		case "lead: gained":
			finish(e.On, e.At, false)
			out = append(out, reign{place: e.On, from: e.At, to: end, epoch: strings.TrimPrefix(e.Text, "epoch=")})
			open[e.On] = len(out)
		case "lead: lost":
			finish(e.On, e.At, true)
		case "node: up":
			finish(e.On, e.At, false)
		}
	}
	for i := range out {
		if !out[i].ended {
			out[i].to = missed(out[i], lives)
		}
	}
	return slices.DeleteFunc(out, func(r reign) bool { return r.to <= r.from })
}

// missed is when the node of a reign that it did not end was seen to be up last.
func missed(r reign, lives []simulator.Life) time.Duration {
	i := slices.IndexFunc(lives, func(l simulator.Life) bool { return l.Place == r.place })
	if i < 0 {
		return r.to
	}
	last := r.from
	for _, s := range lives[i].Up {
		if s.From < r.to {
			last = max(last, min(s.To, r.to))
		}
	}
	return last
}

// leads are the strips of a node that led, or of a site's nodes.
func leads(all []reign, on func(place string) bool, sc scale) []strip {
	var out []strip
	for _, r := range all {
		if on(r.place) && len(out) < maxStrips {
			out = append(out, strip{X: sc.x(r.from), W: percent(sc.at(r.to) - sc.at(r.from)),
				Title: fmt.Sprintf("%s leads the site\n%s … %s, from epoch %s on", r.place, moment(r.from), moment(r.to), r.epoch)})
		}
	}
	return out
}
