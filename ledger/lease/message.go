package lease

import (
	"slices"
	"time"

	"selvage/internal/ident"
)

// Kind is what a message says.
type Kind uint8

// The kinds of messages. Prepare, Accept and Release come from a proposer, the others are an acceptor's answers.
const (
	Prepare  Kind = iota + 1 // may I have the lease?
	Promise                  // yes, and nobody with a lower ballot may
	Accept                   // I take it, or go on with it
	Accepted                 // it is yours until your deadline
	Refuse                   // no, and this is why
	Release                  // I have stopped
)

func (k Kind) String() string {
	if k < Prepare || k > Release {
		return "unknown"
	}
	return [...]string{"prepare", "promise", "accept", "accepted", "refuse", "release"}[k-1]
}

// Asks reports whether a message of this kind waits for an answer.
func (k Kind) Asks() bool { return k == Prepare || k == Accept }

// Answers reports whether a message of this kind is one.
func (k Kind) Answers() bool { return k == Promise || k == Accepted || k == Refuse }

// Change is a proposal for the voters of the epoch after the one that it travels with, and the ballot that made it.
type Change struct {
	Ballot Ballot
	Voters []Voter
}

func (c *Change) equal(o *Change) bool {
	if c == nil || o == nil {
		return c == o
	}
	return c.Ballot == o.Ballot && slices.Equal(c.Voters, o.Voters)
}

// Message is what nodes say to one another. The shell hands one in only if its sender is who it says, and a member
// of the fleet.
type Message struct {
	Kind Kind
	// Config is the sender's: whoever is behind takes it over, before anything else.
	Config Config
	// Life is the sender's.
	Life Incarnation
	// Clock is what the sender's clock showed. It is compared with other clocks, and never with a deadline.
	Clock time.Duration
	// Ballot is the one that asks or, in an answer, that asked.
	// Invariant of Prepare, Accept, Release: Ballot.Node is the sender, Ballot.Incarnation is Life.
	Ballot Ballot
	// Round numbers the rounds of a ballot, in Accept and Accepted, from 1.
	Round uint64
	// Change is, in Accept, what the acceptor shall accept with the lease; in Promise, what it has accepted with the
	// highest ballot in this epoch. Nil for none.
	Change *Change
	// Promised is, in Refuse, the highest ballot that the acceptor promised.
	Promised Ballot
	// Remaining is, in Refuse, how long the lease of another lives on by the acceptor's clock; 0 if it was not that.
	Remaining time.Duration
	// Doubt says, in Accept, that the acceptor's clock does not agree with those of the holder and of others.
	Doubt bool
}

// Envelope is a message with the node that it is for.
type Envelope struct {
	To      ident.NodeID
	Message Message
}
