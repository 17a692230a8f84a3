package runtime

import "time"

// Lease is the right to run a singleton on this node. Its methods do not block, and may be called from several
// goroutines at once.
//
// A driver asks for the term immediately before whatever only one node of the site may do: before each start and restart of a
// program, before files are put in place, before each answer of a function.
type Lease interface {
	// Term returns how things stand at a moment within the call. It may be prolonged at any time.
	Term() Term
	// Changed returns a channel that is closed when the next Term may differ by more than the time that passed and what
	// was prolonged. To miss nothing, get the channel before asking.
	Changed() <-chan struct{}
}

// Term is how long a singleton may run. The zero Term is not at all.
type Term struct {
	// Epoch is the fencing token, SELVAGE_EPOCH; 0 if the node has no lease. Leases that are granted later, to whichever node of the site, have greater ones.
	Epoch uint64
	Run   time.Duration // until it has to be told to end; none is started unless it is positive
	Live  time.Duration // until what has not ended has to be killed: some time before another node may lead
}

// EpochVariable is the environment variable that tells a singleton its fencing token, in decimal.
const EpochVariable = "SELVAGE_EPOCH"

// LeaseGrace is the time from telling a singleton to end to killing it, at most: the lease may leave less.
const LeaseGrace = 2 * time.Second

// MayStart returns the token to start a singleton under, or ErrNoLease.
func MayStart(l Lease) (epoch uint64, err error) {
	t := l.Term()
	if t.Run <= 0 {
		return 0, ErrNoLease
	}
	return t.Epoch, nil
}

// NextLook is when to ask for the term again to see whether it was prolonged: renewals wake nobody.
func (t Term) NextLook() time.Duration { return max(t.Run/2, 100*time.Millisecond) }
