package lease

import (
	"cmp"

	"selvage/internal/ident"
)

// Incarnation is one life of a node: from one start of its lease machine to the next.
type Incarnation struct {
	// Count is one more than in the life before, as far as the disk remembers.
	Count uint64
	// Salt is random, drawn at the start. A disk that was put back to an older state makes Count come again; the
	// salt keeps the two lives apart.
	Salt uint64
}

// Compare orders the lives of one node; those with one count in no order that means anything.
func (i Incarnation) Compare(o Incarnation) int {
	return cmp.Or(cmp.Compare(i.Count, o.Count), cmp.Compare(i.Salt, o.Salt))
}

// Ballot is one try of one life of one node to get the lease (R1). The zero ballot is below all others.
//
// Invariant: no two tries have one ballot, in whatever lives.
type Ballot struct {
	Counter     uint64
	Incarnation Incarnation
	Node        ident.NodeID
}

// Compare orders ballots, by the counter first.
func (b Ballot) Compare(o Ballot) int {
	return cmp.Or(cmp.Compare(b.Counter, o.Counter), b.Node.Compare(o.Node), b.Incarnation.Compare(o.Incarnation))
}

// IsZero reports whether b is no ballot.
func (b Ballot) IsZero() bool { return b == Ballot{} }

// sameOwner reports whether both ballots are of one life of one node.
func (b Ballot) sameOwner(o Ballot) bool { return b.Node == o.Node && b.Incarnation == o.Incarnation }

// Token is a fencing token (R9): what a resource is shown with each side effect. The resource keeps the highest that
// it has seen, and refuses lower ones. A lease that is granted later has a higher token.
type Token struct {
	Epoch  uint64 // of the voters who granted the lease
	Ballot Ballot
}

// Compare orders tokens, by the epoch first.
func (t Token) Compare(o Token) int {
	return cmp.Or(cmp.Compare(t.Epoch, o.Epoch), t.Ballot.Compare(o.Ballot))
}

// Number returns the token as one number, for resources that compare numbers: of two tokens the higher has the higher
// number, whichever nodes they are of. It needs the config of the token's epoch, which is to be among those that are given. The
// number is exact for 2^17 epochs of 2^28 tries, and below 2^53 for as long, so that JSON's readers keep it whole.
//
//	epoch << 36 | counter << 8 | place of the node among the voters << 5 | incarnation mod 32
func (t Token) Number(of ...Config) uint64 {
	place := 0
	for _, c := range of {
		if c.Epoch == t.Epoch {
			place = max(0, find(c.Voters, t.Ballot.Node))
		}
	}
	return t.Epoch<<36 | min(t.Ballot.Counter, 1<<28-1)<<8 | uint64(place)<<5 | t.Ballot.Incarnation.Count%32
}

// IsZero reports whether t is no token.
func (t Token) IsZero() bool { return t == Token{} }
