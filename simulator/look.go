package simulator

import (
	"cmp"
	"slices"
	"time"

	"selvage/ledger/lease"
	"selvage/simulator/scenario"
)

// outcome is how a check has fared.
type outcome struct {
	Check
	from, until time.Duration // when it is looked at; an eventual one has to have held once by until
	kind        string        // "always", "eventually" or "sometimes"
	check       scenario.Check
	all         []*outcome // what has to come about at one moment with it, itself among them; the first stands for all
	held        bool
	over        bool          // its time was up when it was looked at
	at          time.Duration // when it came true, or was broken; an eventual one that did not come true: 0
	last        string        // what was wrong when it was last looked at
}

// planChecks notes what is to be looked at, and when.
func (t *story) planChecks() {
	s, end := t.scenario, t.scenario.Duration
	always := s.Always
	for _, name := range []string{oneLeader, oneSingleton, oneHolder} {
		if t.oversees() && !slices.ContainsFunc(always, func(c scenario.Check) bool { return c.Name == name }) {
			always = append(slices.Clip(always), scenario.Check{Name: name})
		}
	}
	for _, c := range always {
		t.checks = append(t.checks, &outcome{check: c, kind: "always", until: end, held: true})
	}
	for _, c := range s.Sometimes {
		t.expect(outcome{kind: "sometimes", until: end}, c)
	}
	for _, e := range s.Eventually {
		from := t.moment(e)
		t.expect(outcome{kind: "eventually", from: from, until: from + e.Within}, e.Checks...)
	}
}

// expect notes what has to come about at one moment.
func (t *story) expect(o outcome, checks ...scenario.Check) {
	all := make([]*outcome, len(checks))
	for i, c := range checks {
		o.check, o.all = c, all
		all[i] = new(o)
	}
	t.checks = append(t.checks, all...)
}

// oversees reports whether one_leader, one_singleton and one_holder are looked at though nobody asks for them: they are promised while clocks keep to the bound.
func (t *story) oversees() bool {
	_, ok := t.Stage.(Overseer)
	return ok && mostDrift(t.scenario.Faults) <= int64(lease.Defaults().DriftPPM)*1000
}

// moment returns when the event is that an eventual check counts from.
func (t *story) moment(e scenario.Eventually) time.Duration {
	last := time.Duration(0)
	switch e.Of {
	case "start":
	case "heal":
		for _, f := range t.scenario.Faults {
			last = max(last, f.At+f.For)
		}
	case "work":
		for _, k := range t.scenario.Work {
			last = max(last, k.At)
		}
	default:
		last = e.At
	}
	return last
}

// look evaluates what is due; it reports whether anything is still to be waited for. A story
// without anything to wait for goes on until its end.
func (t *story) look(now time.Duration) (open bool) {
	eventual, busy := false, t.busy()
	for _, c := range t.checks {
		eventual = eventual || c.kind == "eventually"
		switch c.kind {
		case "always":
			if c.held {
				c.last = t.check(c.check)
				if c.held = c.last == ""; !c.held {
					c.at = now
				}
			}
		case "sometimes", "eventually":
			if c == c.all[0] && c.due(now, t.pace(), busy) {
				t.together(c.all, now)
			}
		}
		open = open || c.kind == "eventually" && !c.held && now < c.until
	}
	if !busy {
		t.measure(now)
	}
	t.recorder.notice(now, t.Machines())
	return open || !eventual
}

// due reports whether what has to come about is to be looked at: until its time is up, and once then, though that look be late, as
// it is where time does not wait for it.
func (c *outcome) due(now, late time.Duration, busy bool) bool {
	if c.held || c.over || now < c.from || busy && now < c.until {
		return false
	}
	c.over = now >= c.until
	return now <= c.until+late
}

// together looks at what has to hold at one moment. When the time is up, what does by itself is told from what does not.
func (t *story) together(all []*outcome, now time.Duration) {
	wrong := false
	for _, c := range all {
		c.last = cmp.Or(t.check(c.check), t.nobody())
		wrong = wrong || c.last != ""
	}
	for _, c := range all {
		switch {
		case !wrong || c.last == "" && all[0].over:
			c.held, c.at = true, now
		case c.last == "":
			c.last = "holds, but not yet at one moment with what has to hold with it"
		}
	}
}

// nobody is what is wrong with what has to come about where no node answers: nothing holds of nobody. It is "" where one does.
func (t *story) nobody() string {
	if !slices.ContainsFunc(t.Machines(), func(m Machine) bool { return m.Agent() != nil }) {
		return "no node is up"
	}
	return ""
}

// busy reports whether any machine is.
func (t *story) busy() bool {
	return slices.ContainsFunc(t.Machines(), busy)
}

// busy reports whether a machine does not answer now because it waits for its disk.
func busy(m Machine) bool {
	w, ok := m.(Writer)
	return ok && w.Busy()
}

// broken reports whether the story is lost: what had to hold always does not, or the time is up for
// what had to come about.
func (t *story) broken(now time.Duration) bool {
	return slices.ContainsFunc(t.checks, func(c *outcome) bool {
		return !c.held && (c.kind == "always" || c.kind == "eventually" && now >= c.until)
	})
}

// show notes how far the story is.
func (t *story) show(now time.Duration, open bool) {
	up, waiting := 0, ""
	for _, m := range t.Machines() {
		if m.Agent() != nil {
			up++
		}
	}
	for _, c := range t.checks {
		if c.kind == "eventually" && !c.held && now >= c.from && open {
			waiting = c.last
		}
	}
	t.progress(Progress{now, t.scenario.Duration, up, waiting})
}
