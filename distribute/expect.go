package distribute

import (
	"time"

	"selvage/internal/ident"
)

// expectations is of which peers it was expected that they ask for something, because they said that they want it, and which were given
// nothing since: no more than the fleet has nodes. What is expected makes others wait, so each such peer is believed for a while, and then
// not for a while, twice as long each time, whatever it wants and however often it says so.
type expectations map[ident.NodeID]expectation

type expectation struct {
	until  time.Time // it is expected to ask
	before time.Time // not to be expected to ask again
	vain   int       // times on end that it did not
}

// maxVain bounds how often the time doubles: to some 40 minutes.
const maxVain = 9

// want returns until when a peer is expected to ask for what it says that it wants, which may be over.
func (e expectations) want(id ident.NodeID, now time.Time) (until time.Time) {
	x := e[id]
	if !now.Before(x.before) {
		x.until = now.Add(farLane.fresh)
		x.before = x.until.Add(farLane.fresh << x.vain)
		x.vain = min(x.vain+1, maxVain)
		e[id] = x
	}
	return x.until
}

// given takes note that a peer was given something.
func (e expectations) given(id ident.NodeID) { delete(e, id) }
