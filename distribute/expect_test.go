package distribute

import (
	"testing"
	"time"

	"selvage/internal/ident"
)

// Who wants and never asks makes others wait less and less; who was given something is expected to ask again at once.
func TestExpectations(t *testing.T) {
	e, id, begin := expectations{}, ident.NodeID{1}, time.Unix(1, 0)
	waits := func(from time.Time, d time.Duration) (held time.Duration) {
		for at := time.Duration(0); at < d; at += time.Second {
			if now := from.Add(at); e.want(id, now).After(now) {
				held += time.Second
			}
		}
		return held
	}
	if held := waits(begin, time.Minute); held < farLane.fresh || held > 4*farLane.fresh {
		t.Errorf("it held others up for %v of the first minute", held)
	}
	if held := waits(begin.Add(time.Minute), 24*time.Hour); held > 5*time.Minute {
		t.Errorf("it held others up for %v of a day", held)
	}
	now := begin.Add(25 * time.Hour)
	e.given(id)
	if until := e.want(id, now); until != now.Add(farLane.fresh) {
		t.Errorf("though it was given something it is expected to ask until %v, and it is %v", until, now)
	}
}
