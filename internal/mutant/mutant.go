// Package mutant has the known bugs that the simulator has to find: each breaks one promise of Selvage, at the place
// that keeps it. A scenario that does not notice has no teeth ('selvage sim mutants').
//
// The code that a mutant changes asks On. In an ordinary build the answer is the constant false, so the compiler
// leaves nothing of the bug. A build with the tag mutants takes the one mutant that is on from SELVAGE_MUTANT.
// Such a build is for simulations only, and never goes to a machine.
package mutant

// Name names a mutant.
type Name string

// The mutants.
const (
	SkipChunkVerification Name = "skip-chunk-verification"
	ForgetFsync           Name = "forget-fsync"
	AcceptLowerCharter    Name = "accept-lower-charter"
	DropTakeover          Name = "drop-takeover"
	RelayUnverified       Name = "relay-unverified"
	ForgetRevocation      Name = "forget-revocation"
)

// Mutant is a known bug, for people.
type Mutant struct {
	Name   Name
	Breaks string
}

// All returns every mutant, in the order of the list in which they are shown.
func All() []Mutant {
	return []Mutant{
		{SkipChunkVerification, "a chunk is stored without a look at its digest"},
		{ForgetFsync, "an entry is told of before it is durable"},
		{AcceptLowerCharter, "whoever shows an older charter puts the node back to it"},
		{DropTakeover, "a site waits for ever for the node on duty at the uplink"},
		{RelayUnverified, "an entry that its author did not sign is passed on all the same"},
		{ForgetRevocation, "who comes to the door is not asked whether it was revoked"},
	}
}

// known reports whether a mutant has that name.
func known(n Name) bool {
	for _, m := range All() {
		if m.Name == n {
			return true
		}
	}
	return false
}
