package distribute

import (
	"errors"
	"fmt"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// nothingMost is how often on end a peer may give nothing of what it said to have before a person hears of it: a link
// that is lost, or a disk that is slow, does as much.
const nothingMost = 2

var errNothing = fmt.Errorf("it was asked %d times on end for what it said to have, and gave nothing", nothingMost)

var errTrickle = fmt.Errorf("it gives less than %d KiB a second of what it has, so others are asked: look at its disk and its network", planner.TrickleRate>>10)

// gaveNothing counts that a peer gave nothing of what it was asked for. The caller holds mu.
func (t *task) gaveNothing(n *neighbour) {
	if t.nothing[n.id]++; t.nothing[n.id] == nothingMost {
		t.complainOf(n, errNothing)
	}
}

// gaveSomething counts anew, unless it was told of. The caller holds mu.
func (t *task) gaveSomething(n *neighbour) {
	if t.nothing[n.id] < nothingMost {
		delete(t.nothing, n.id)
	}
}

// complainOf tells of a peer that need not have lied. The caller holds mu.
func (t *task) complainOf(n *neighbour, err error) {
	t.wg.Go(func() { t.swarm.cfg.Failing(n.id, err.Error()) })
}

// ownFault reports whether a peer says of itself that it does not have what it was asked for.
func ownFault(err error) bool { return errors.Is(err, store.ErrMissing) }
