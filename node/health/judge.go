package health

import (
	"fmt"
	"time"
)

// State is what a workload has proved.
type State string

const (
	Pending State = "pending"
	Healthy State = "healthy"
	Failed  State = "failed"
)

// Rule says what a workload must prove, and by when.
type Rule struct {
	MinHealthy time.Duration // good on end for so long; 0: a single good observation will do
	Deadline   time.Duration // after the start; 0: no deadline
}

// Verdict is what a Judge holds at one moment.
type Verdict struct {
	State  State
	Ready  bool   // the last observation was good, and the state is healthy
	Reason string // why it is not healthy, or not ready; "" when it is both
}

// Judge applies a Rule to one start of a workload. It is not safe for concurrent use.
type Judge struct {
	rule    Rule
	start   time.Time
	latest  time.Time // Invariant: no earlier than start; time that goes back stands still here
	good    time.Time // since when observations have been good; zero if the last was not
	verdict Verdict
}

// NewJudge returns the judge of a workload that was started at the given time.
func NewJudge(r Rule, start time.Time) *Judge {
	return &Judge{rule: r, start: start, latest: start, verdict: Verdict{State: Pending, Reason: "not observed yet"}}
}

// Verdict returns what the last Observe did.
func (j *Judge) Verdict() Verdict { return j.verdict }

// Observe takes in whether the workload was good at a time, with detail of why it was not.
func (j *Judge) Observe(now time.Time, ok bool, detail string) Verdict {
	if now.Before(j.latest) {
		now = j.latest
	}
	j.latest = now
	switch {
	case !ok:
		j.good = time.Time{}
	case j.good.IsZero():
		j.good = now
	}
	switch j.verdict.State {
	case Pending:
		j.decide(now, ok, detail)
	case Healthy:
		j.verdict = Verdict{State: Healthy, Ready: ok}
		if !ok {
			j.verdict.Reason = detail
		}
	}
	return j.verdict
}

// decide looks whether a pending workload has proved itself, and only then whether it is too late:
// an observation at the very deadline counts.
func (j *Judge) decide(now time.Time, ok bool, detail string) {
	left := j.rule.MinHealthy
	if ok {
		left -= now.Sub(j.good)
	}
	waited := now.Sub(j.start)
	late := j.rule.Deadline > 0 && waited >= j.rule.Deadline
	switch {
	case ok && left <= 0 && (!late || waited == j.rule.Deadline):
		j.verdict = Verdict{State: Healthy, Ready: true}
	case late && ok:
		j.verdict = Verdict{State: Failed, Reason: fmt.Sprintf("good for less than %s by the deadline of %s", j.rule.MinHealthy, j.rule.Deadline)}
	case late:
		j.verdict = Verdict{State: Failed, Reason: fmt.Sprintf("not healthy by the deadline of %s: %s", j.rule.Deadline, detail)}
	case ok:
		j.verdict.Reason = fmt.Sprintf("good since %s, for %s yet to come", now.Sub(j.good), left)
	default:
		j.verdict.Reason = detail
	}
}
