package lead

import (
	"cmp"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// How often who leads looks whether other nodes should vote: soon if an even number does, since one that dies then costs most.
const (
	tendEvery = 5 * time.Second
	tendSoon  = 500 * time.Millisecond
)

// voting is how a leader tends the voters. It is forgotten when the machine is.
type voting struct {
	silent map[ident.NodeID]time.Duration // since when a mate has been missed: as far as this life of this leader knows
	next   time.Duration                  // when it looks again, by the node's clock
	tried  []ident.NodeID                 // newcomers that were asked, the latest last: others come before them
}

// due is how long it is until the next look.
func (v voting) due(m *lease.Machine, now time.Duration) time.Duration {
	if !m.Settled(now) {
		return noTick
	}
	return v.next - now
}

// tendVoters lets a voter in or out, if that is due.
func (l *Lead) tendVoters(m *lease.Machine) error {
	now := l.cfg.Clock()
	if now < l.voting.next || !m.Settled(now) {
		return nil
	}
	l.voting.next = now + tendEvery
	if len(m.Config().Voters)%2 == 0 {
		l.voting.next = now + tendSoon
	}
	members := l.voting.members(l.cfg.Mates(), now)
	voters, ok := lease.Propose(m.Config(), l.cfg.Self, l.voting.prefer(members))
	if !ok {
		return nil
	}
	l.voting.note(m.Config(), voters)
	fx, err := m.Change(now, voters)
	if err != nil {
		l.cfg.Logger.Debug("lead: cannot change the voters", "err", err)
	}
	return l.carry(m, fx, nil)
}

// even has the next look come soon, once a change has left an even number of voters.
func (v *voting) even(c lease.Config, now time.Duration) {
	if len(c.Voters)%2 == 0 {
		v.next = min(v.next, now+tendSoon)
	}
}

// members are the mates, with how long they have been missed.
func (v *voting) members(mates []Mate, now time.Duration) []lease.Member {
	silent := map[ident.NodeID]time.Duration{}
	var out []lease.Member
	for _, mate := range mates {
		m := lease.Member{Node: mate.Node, Witness: mate.Witness}
		if !mate.Up {
			since, missed := v.silent[mate.Node]
			if !missed {
				since = now
			}
			silent[mate.Node] = since
			m.Silent = max(now-since, 1)
		}
		out = append(out, m)
	}
	v.silent = silent
	return out
}

// prefer puts those last who were asked before, the latest of them at the end: one who does not answer must not keep others out.
func (v voting) prefer(members []lease.Member) []lease.Member {
	out := slices.Clone(members)
	rank := func(m lease.Member) int { return slices.Index(v.tried, m.Node) }
	slices.SortStableFunc(out, func(a, b lease.Member) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// note remembers a newcomer that is asked.
func (v *voting) note(c lease.Config, voters []lease.Voter) {
	for _, n := range voters {
		if slices.ContainsFunc(c.Voters, func(o lease.Voter) bool { return o.Node == n.Node }) {
			continue
		}
		v.tried = slices.DeleteFunc(v.tried, func(id ident.NodeID) bool { return id == n.Node })
		v.tried = append(v.tried, n.Node)
		v.tried = v.tried[max(0, len(v.tried)-maxTried):]
	}
}

// maxTried bounds how many newcomers are remembered.
const maxTried = 64
