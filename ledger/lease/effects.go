package lease

import (
	"time"

	"selvage/internal/ident"
)

// Effects are what the shell has to do after a step, in the order in which the fields stand here.
type Effects struct {
	// Record, if not nil, is to be durable (fsync) before anything below is done. A shell that cannot make it so
	// throws the machine away and starts a new one.
	Record *Record
	// Lease is what this node holds from now on, in place of what the step before said. It is made known to whoever
	// acts under it before anything is sent: a holder stops before it says so (R8).
	Lease Lease
	// Send are messages, in order. Any of them may be lost, sent twice or late.
	Send []Envelope
	// Alarms are for people.
	Alarms []Alarm
}

// Lease is the right to lead a site. The zero Lease is none.
type Lease struct {
	Token    Token
	Deadline time.Duration // by this node's clock
}

// Active reports whether the lease may be acted under at now: R6. Every side effect asks immediately before, may take
// Settings.Margin at most after that, and carries the token (R9).
func (l Lease) Active(now time.Duration) bool { return now < l.Deadline }

// Record is what a node's disk has to remember.
type Record struct {
	Incarnation Incarnation // of the last start
	// Promised is the highest ballot that this acceptor promised or accepted. It never goes back.
	Promised Ballot
	// Config is the one with the highest epoch that this node heard of. It never goes back.
	Config Config
	// Pending is the change that this acceptor accepted with the highest ballot since it has Config; nil for none.
	// Invariant: Pending.Ballot <= Promised.
	Pending *Change
}

// AlarmKind is what is wrong.
type AlarmKind uint8

// The kinds of alarms.
const (
	ClockWentBack   AlarmKind = iota + 1 // this node's clock did: it abstains
	ClockDeviates                        // this node's clock does not run as others do: it abstains
	PeerDeviates                         // Node's clock does not run as this one and others do: its votes do not count
	DiskWentBack                         // others remember a life of this node that its disk does not: it starts anew
	ConfigsConflict                      // Node has other voters under the same epoch: a disk went back, or was not honest
)

func (k AlarmKind) String() string {
	if k < ClockWentBack || k > ConfigsConflict {
		return "unknown"
	}
	return [...]string{"clock went back", "clock deviates", "peer's clock deviates", "disk went back", "configs conflict"}[k-1]
}

// Alarm is a violated assumption, for people.
type Alarm struct {
	Kind AlarmKind
	Node ident.NodeID // whose; this node or another
}
