package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing/synctest"
	"time"

	"selvage/simulator/scenario"
)

// lookEvery is the least virtual time between two looks at the world: what changes within it is
// judged together.
const lookEvery = 50 * time.Millisecond

// act is something that happens at a moment of the story.
type act struct {
	at   time.Duration
	rank int // of acts of one moment: backups, the ends of faults, work, faults
	do   func() error
}

// The ranks of acts of one moment.
const (
	rankBackup = iota
	rankEnd
	rankWork
	rankFault
)

// story is a world while its story is told.
type story struct {
	*world
	acts     []act // by time; those done are gone
	ends     map[int]func() error
	checks   []*outcome
	progress *atomic.Pointer[Progress]
}

// outcome is how a check has fared.
type outcome struct {
	Check
	from, until time.Duration // when it is looked at; an eventual one has to have held once by until
	kind        string        // "always", "eventually" or "sometimes"
	check       scenario.Check
	held        bool
	last        string // what was wrong when it was last looked at
}

// Progress is how far a story has come.
type Progress struct {
	At, Of time.Duration // virtual
	Nodes  int           // up
	Text   string        // what is waited for
}

// tell plays the scenario in the bubble of the calling goroutine.
func tell(ctx context.Context, s scenario.Scenario, progress *atomic.Pointer[Progress]) (Result, error) {
	w, err := newWorld(s)
	if err != nil {
		return Result{}, err
	}
	t := &story{world: w, ends: map[int]func() error{}, progress: progress}
	t.plan()
	if err := w.found(); err != nil {
		_ = w.close() // the first error says what is wrong
		return Result{}, err
	}
	err = t.play(ctx)
	r := t.result()
	if cerr := w.close(); err == nil {
		err = cerr
	}
	time.Sleep(linger) // goroutines of libraries that outlive their Close
	return r, err
}

// linger is virtual: gossip.Linger is what it has to be at least.
const linger = time.Minute

// plan lays out what happens when.
func (t *story) plan() {
	for i, f := range t.scenario.Faults {
		if f.Kind == scenario.Restore {
			for _, m := range t.placed(f.On) {
				t.acts = append(t.acts, act{f.Backup, rankBackup, func() error { return m.backUp(f.Backup) }})
			}
		}
		t.acts = append(t.acts, act{f.At, rankFault, func() (err error) {
			t.ends[i], err = t.begin(f)
			return err
		}})
		if f.For > 0 || f.Kind == scenario.Restore {
			t.acts = append(t.acts, act{f.At + f.For, endRank(f), func() error {
				t.trace.add(faultPlace(f), "fault ends", "%s", f.Kind)
				return t.ends[i]()
			}})
		}
	}
	for _, k := range t.scenario.Work {
		t.acts = append(t.acts, act{k.At, rankWork, func() error { return t.do(k) }})
	}
	slices.SortStableFunc(t.acts, func(a, b act) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
	t.planChecks()
}

// endRank has what begins and ends at one moment begin first.
func endRank(f scenario.Fault) int {
	if f.For == 0 {
		return rankFault + 1
	}
	return rankEnd
}

// planChecks notes what is to be looked at, and when.
func (t *story) planChecks() {
	s, end := t.scenario, t.scenario.Duration
	for _, c := range s.Always {
		t.checks = append(t.checks, &outcome{check: c, kind: "always", until: end, held: true})
	}
	for _, c := range s.Sometimes {
		t.checks = append(t.checks, &outcome{check: c, kind: "sometimes", until: end})
	}
	for _, e := range s.Eventually {
		from := t.moment(e)
		for _, c := range e.Checks {
			t.checks = append(t.checks, &outcome{check: c, kind: "eventually", from: from, until: from + e.Within})
		}
	}
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

// play lets happen what happens, looks at the world when it has changed, and ends when all is said.
func (t *story) play(ctx context.Context) error {
	for {
		now := time.Since(t.trace.begin)
		for len(t.acts) > 0 && t.acts[0].at <= now {
			a := t.acts[0]
			t.acts = t.acts[1:]
			if err := a.do(); err != nil {
				return fmt.Errorf("at %s: %w", a.at, err)
			}
		}
		synctest.Wait()
		open := t.look(now)
		t.note(now)
		t.show(now, open)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(t.acts) == 0 && !open || now >= t.scenario.Duration || t.broken() {
			return nil
		}
		t.sleep(now)
	}
}

// sleep waits for the next act or deadline, or until something has changed.
func (t *story) sleep(now time.Duration) {
	next := t.scenario.Duration
	if len(t.acts) > 0 {
		next = min(next, t.acts[0].at)
	}
	for _, c := range t.checks {
		for _, at := range []time.Duration{c.from, c.until} {
			if at > now {
				next = min(next, at)
			}
		}
	}
	timer := time.NewTimer(next - now)
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-t.wake:
	}
	pause := time.NewTimer(min(lookEvery, next-now))
	defer pause.Stop()
	<-pause.C
}

// look evaluates what is due; it reports whether anything is still to be waited for. A story
// without anything to wait for goes on until its end.
func (t *story) look(now time.Duration) (open bool) {
	eventual := false
	for _, c := range t.checks {
		eventual = eventual || c.kind == "eventually"
		switch c.kind {
		case "always":
			if c.held {
				c.last = t.check(c.check)
				c.held = c.last == ""
			}
		case "sometimes", "eventually":
			if c.held || now < c.from || now > c.until {
				break
			}
			c.last = t.check(c.check)
			c.held = c.last == ""
		}
		open = open || c.kind == "eventually" && !c.held && now < c.until
	}
	t.measure(now)
	return open || !eventual
}

// note has the trace's digest cover when this look was, and what has crossed each link until then: two
// stories of the same events may still have sent other packets.
func (t *story) note(now time.Duration) {
	t.trace.note(now)
	for _, s := range t.net.Sites() {
		t.trace.note(s.Counters())
	}
}

// broken reports whether the story is lost: what had to hold always does not, or the time is up for
// what had to come about.
func (t *story) broken() bool {
	now := time.Since(t.trace.begin)
	return slices.ContainsFunc(t.checks, func(c *outcome) bool {
		return !c.held && (c.kind == "always" || c.kind == "eventually" && now >= c.until)
	})
}

// measure notes which deployments have got everywhere.
func (t *story) measure(now time.Duration) {
	for i, d := range t.deploys {
		newest := !slices.ContainsFunc(t.deploys[i+1:], func(o *deploy) bool { return o.name == d.name })
		if d.took == 0 && newest && allRun(t.world, d.release) == "" {
			d.took = now - d.at
			t.trace.add("", "deployed", "%s runs everywhere after %s", d.release, d.took)
		}
	}
}

// show notes how far the story is.
func (t *story) show(now time.Duration, open bool) {
	up, waiting := 0, ""
	for _, m := range t.machines {
		if m.node() != nil {
			up++
		}
	}
	for _, c := range t.checks {
		if c.kind == "eventually" && !c.held && now >= c.from && open {
			waiting = c.last
		}
	}
	t.progress.Store(&Progress{now, t.scenario.Duration, up, waiting})
}
