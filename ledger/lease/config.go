package lease

import (
	"fmt"
	"slices"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// MaxVoters bounds the voters of a site.
const MaxVoters = 7

// Voter is a node that grants the lease. A witness grants it and never asks for it: a node of another site, say.
type Voter struct {
	Node    ident.NodeID
	Witness bool
}

// Config is who votes. The zero Config is that of a node which has not heard of any.
type Config struct {
	// Epoch numbers the configs of a site, from 1.
	// Invariant: two configs with one epoch are equal, on whatever nodes.
	Epoch uint64
	// Voters are in the order of their nodes; 1 to MaxVoters of them, once there is an epoch.
	// Invariant: those of two epochs in a row differ by one node at most, so a majority of one meets every majority of
	// the other.
	Voters []Voter
}

// Found returns the config of a new site: its founder is the one voter.
func Found(founder ident.NodeID) Config {
	return Config{Epoch: 1, Voters: []Voter{{Node: founder}}}
}

// majority is how many of n voters suffice.
func majority(n int) int { return n/2 + 1 }

func find(voters []Voter, n ident.NodeID) int {
	return slices.IndexFunc(voters, func(v Voter) bool { return v.Node == n })
}

func has(voters []Voter, n ident.NodeID) bool { return find(voters, n) >= 0 }

// mayLead reports whether n may ask for the lease.
func (c Config) mayLead(n ident.NodeID) bool {
	i := find(c.Voters, n)
	return i >= 0 && !c.Voters[i].Witness
}

// equal reports whether both say the same.
func (c Config) equal(o Config) bool {
	return c.Epoch == o.Epoch && slices.Equal(c.Voters, o.Voters)
}

// next is the config that follows, with these voters.
func (c Config) next(voters []Voter) Config {
	return Config{Epoch: c.Epoch + 1, Voters: voters}
}

// without are those of a that are not in b.
func without(a, b []Voter) []Voter {
	var rest []Voter
	for _, v := range a {
		if !has(b, v.Node) {
			rest = append(rest, v)
		}
	}
	return rest
}

// check refuses what no config looks like.
func (c Config) check() error {
	if c.Epoch == 0 {
		if len(c.Voters) > 0 {
			return fmt.Errorf("%w: voters without an epoch", ErrMalformed)
		}
		return nil
	}
	if c.Epoch >= maxNumber {
		return fmt.Errorf("%w: epoch %d", ErrMalformed, c.Epoch)
	}
	return checkVoters(c.Voters)
}

// checkVoters wants them in order, each once, with one among them that may lead.
func checkVoters(voters []Voter) error {
	if len(voters) < 1 || len(voters) > MaxVoters {
		return fmt.Errorf("%w: %d voters", ErrMalformed, len(voters))
	}
	leaders := 0
	for i, v := range voters {
		if v.Node.IsZero() || i > 0 && voters[i-1].Node.Compare(v.Node) >= 0 {
			return fmt.Errorf("%w: voters out of order", ErrMalformed)
		}
		if !v.Witness {
			leaders++
		}
	}
	if leaders == 0 {
		return fmt.Errorf("%w: witnesses only", ErrMalformed)
	}
	return nil
}

// checkNext refuses voters that cannot follow on these.
func (c Config) checkNext(voters []Voter) error {
	if err := c.next(voters).check(); err != nil {
		return err
	}
	return checkStep(c.Voters, voters)
}

// checkStep keeps R10: one node comes or goes, at most. Who is a witness is no matter of safety.
func checkStep(from, to []Voter) error {
	most := 1
	if mutant.On(mutant.LeaseTwoVotersAtOnce) {
		most = 2
	}
	if n := len(without(from, to)) + len(without(to, from)); n > most {
		return fmt.Errorf("%w: %d voters change at once", ErrMalformed, n)
	}
	return nil
}
