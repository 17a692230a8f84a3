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
	Voters []Voter
	// Prior are the voters of the epoch before; none in the first.
	// Invariant: Voters and Prior differ by one node at most, so a majority of one meets every majority of the other.
	Prior []Voter
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
	return c.Epoch == o.Epoch && slices.Equal(c.Voters, o.Voters) && slices.Equal(c.Prior, o.Prior)
}

// next is the config that follows, with these voters.
func (c Config) next(voters []Voter) Config {
	return Config{Epoch: c.Epoch + 1, Voters: voters, Prior: c.Voters}
}

// lost are the nodes that voted in the epoch before and vote no more.
func (c Config) lost() []Voter { return without(c.Prior, c.Voters) }

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
		if len(c.Voters)+len(c.Prior) > 0 {
			return fmt.Errorf("%w: voters without an epoch", ErrMalformed)
		}
		return nil
	}
	if err := checkVoters(c.Voters); err != nil {
		return err
	}
	if (c.Epoch == 1) != (len(c.Prior) == 0) {
		return fmt.Errorf("%w: epoch %d with %d prior voters", ErrMalformed, c.Epoch, len(c.Prior))
	}
	if c.Epoch == 1 {
		return nil
	}
	if err := checkVoters(c.Prior); err != nil {
		return err
	}
	return checkStep(c.Prior, c.Voters)
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
