package lease

import (
	"slices"
	"time"

	"selvage/internal/ident"
)

// Member is a node that may vote, as the holder knows it.
type Member struct {
	Node ident.NodeID
	// Witness: it is of another site, and votes only if this one has too few nodes.
	Witness bool
	// Silent is how long nothing has been heard of it; 0 for one that is up.
	Silent time.Duration
}

// Gone is how long a voter is silent before another takes its place.
const Gone = 24 * time.Hour

// enough is how many voters a site wants: two of them may fail.
const enough = 5

// Propose returns the voters of the next epoch, for Machine.Change, if they shall not stay as they are: 1, then 3, then
// 5 of them, one step at a time. A founder begins only when there are two to join it, since of two voters both are
// needed, and goes back to being alone if it comes to two and there is no third. A voter that is gone is replaced: its
// successor comes first. A witness that is no member goes at once, as people want it to. The order of members is that in
// which they are preferred.
func Propose(c Config, holder ident.NodeID, members []Member) ([]Voter, bool) {
	if w := dismissed(c, members); len(w) > 0 {
		return without(c.Voters, w[:1]), true
	}
	gone := goneOf(c, holder, members)
	fresh := candidates(c, members)
	switch odd := len(c.Voters)%2 == 1; {
	case len(c.Voters) == 2 && len(gone) == 0 && len(fresh) == 0 && c.mayLead(holder): // two are worse than one
		return []Voter{{Node: holder}}, true
	case odd && len(gone) == 0 && len(c.Voters) < enough && len(fresh) >= 2, // two more
		odd && len(gone) > 0 && len(fresh) > 0,   // a successor
		!odd && len(gone) == 0 && len(fresh) > 0: // the second of two
		return with(c.Voters, fresh[0]), true
	case !odd && len(gone) > 0, odd && len(gone) > 1:
		return without(c.Voters, gone[:1]), true
	}
	return nil, false
}

// dismissed are the witnesses that are no members any more.
func dismissed(c Config, members []Member) (out []Voter) {
	for _, v := range c.Voters {
		if v.Witness && !slices.ContainsFunc(members, func(m Member) bool { return m.Node == v.Node }) {
			out = append(out, v)
		}
	}
	return out
}

// goneOf are the voters that are gone: who is no member is, too.
func goneOf(c Config, holder ident.NodeID, members []Member) []Voter {
	var gone []Voter
	for _, v := range c.Voters {
		i := slices.IndexFunc(members, func(m Member) bool { return m.Node == v.Node })
		if v.Node != holder && (i < 0 || members[i].Silent >= Gone) {
			gone = append(gone, v)
		}
	}
	return gone
}

// candidates are the members that may come to vote. A witness may if it makes three.
func candidates(c Config, members []Member) []Voter {
	var local, witnesses []Voter
	for _, m := range members {
		switch v := (Voter{m.Node, m.Witness}); {
		case m.Silent > 0 || has(c.Voters, m.Node):
		case m.Witness:
			witnesses = append(witnesses, v)
		default:
			local = append(local, v)
		}
	}
	if need := 3 - len(c.Voters) - len(local); need > 0 {
		local = append(local, witnesses[:min(need, len(witnesses))]...)
	}
	return local
}

// with returns the voters and one more, in their order.
func with(voters []Voter, v Voter) []Voter {
	all := append(slices.Clone(voters), v)
	slices.SortFunc(all, func(a, b Voter) int { return a.Node.Compare(b.Node) })
	return all
}
