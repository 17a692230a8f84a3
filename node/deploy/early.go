package deploy

import (
	"time"

	"selvage/ledger/manifest"
	"selvage/node/rollout"
)

// lookAgain is how long a worker waits at most before it looks whether a time has come, or passed: clocks are put right, and timers do not
// count what a machine sleeps.
const lookAgain = time.Minute

// shut says why a version may not be begun now, and when it may; "" if it may. The time may come at no known time.
func (c Config) shut(spec manifest.Spec) (why string, opens time.Time) {
	s, err := spec.Start()
	if err != nil { // it was checked before it was believed
		return "its windows cannot be read: " + err.Error(), time.Time{}
	}
	now, sure := c.Now()
	switch open, next := s.Open(now); {
	case open && (sure || len(s.Windows) == 0):
		return "", time.Time{}
	case !sure:
		return "waits for its time, which this machine does not know: its clock is behind what operators have signed", time.Time{}
	case next.IsZero():
		return "waits for its window, which never opens", next
	default:
		return "waits for its time: it opens at " + next.UTC().Format(time.RFC3339), next
	}
}

// observeTime fills in whether the target may be begun now, and has the worker look again when that may have changed.
func (w *worker) observeTime(d Desired, s *rollout.State) {
	w.opens, w.look = time.Time{}, nil
	if d.Target == nil || !d.Selected {
		return
	}
	s.Begun = w.rec.Trying == s.Target
	s.Shut, w.opens = w.cfg.shut(d.Target.Spec)
	if !d.Target.Spec.Timed() || s.Begun || s.Verified == s.Target {
		return
	}
	pause := lookAgain
	if now, _ := w.cfg.Now(); !w.opens.IsZero() {
		pause = max(0, min(pause, w.opens.Sub(now)))
	}
	w.look = time.After(pause)
}

// begin remembers that this node has begun to change to a version.
func (w *worker) begin(id rollout.ID) error {
	rec := w.rec
	rec.Trying, rec.Attempts = id, 0
	return w.save(rec)
}
