package lease

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// Why Change refuses.
var (
	ErrNotHolder = errors.New("this node does not hold the lease")
	ErrChanging  = errors.New("another change of the voters is under way")
)

// onAccepted counts a grant, and takes from it what follows.
func (m *Machine) onAccepted(now time.Duration, from ident.NodeID, msg Message) {
	m.sight(now, from, msg)
	if m.try.phase == idle {
		return
	}
	m.vote(from)
	if m.majorityOf(m.rec.Config.Voters) {
		m.hold(now)
	}
	m.advance(now)
}

// hold is R6. An answer may come when the lease that it grants is over: the deadline is looked at as data.
func (m *Machine) hold(now time.Duration) {
	t := m.try
	deadline := t.sent + m.set.Authority
	if mutant.On(mutant.LeaseTimerAtQuorum) {
		deadline = now + m.set.Authority
	}
	if now >= deadline || deadline <= m.held.Deadline && t.ballot == m.held.Token.Ballot {
		return
	}
	m.held = Lease{Token{m.rec.Config.Epoch, t.ballot}, deadline}
	m.failures = 0
}

// carryOn does what is due in a try that is past its promises: the next round, or this one again.
func (m *Machine) carryOn(now time.Duration) {
	t := &m.try
	switch {
	case !m.held.Active(now) && now >= t.begun+m.set.Patience && now >= m.held.Deadline:
		m.fail(now, now)
	case t.change != nil && now >= t.lapses && m.lapse(now):
	case now >= t.sent+m.set.Renew && t.outrun:
		m.propose(now)
	case now >= t.sent+m.set.Renew:
		m.nextRound(now)
	default:
		m.ask()
	}
}

func (m *Machine) nextRound(now time.Duration) {
	m.try.round++
	m.try.votes, m.try.sent = 0, now
	m.ask()
}

// Yield gives the lease up, if this node holds it: it stops at once, tells the others, and does not compete for an
// Authority.
func (m *Machine) Yield(now time.Duration) Effects {
	m.begin(now)
	var ballots []Ballot
	if m.held.Active(now) {
		ballots = append(ballots, m.held.Token.Ballot)
	}
	if b := m.try.ballot; m.try.phase == accepting && !slices.Contains(ballots, b) {
		ballots = append(ballots, b)
	}
	if len(ballots) > 0 {
		m.held, m.try, m.retry = Lease{}, try{}, now+m.set.Authority
		m.farewell = farewell{ballots, farewells, now}
		m.tellFarewell(now)
	}
	return m.end(now)
}

// tellFarewell tells the voters, this node's own acceptor among them, that what it held is over.
func (m *Machine) tellFarewell(now time.Duration) {
	f := &m.farewell
	if f.left == 0 || now < f.at {
		return
	}
	f.left--
	f.at = now + m.set.Resend
	for _, b := range f.ballots {
		m.onRelease(now, b)
		for _, v := range m.rec.Config.Voters {
			if v.Node != m.self {
				m.send(v.Node, Message{Kind: Release, Ballot: b})
			}
		}
	}
}

// Renumber has the holder take a new ballot when it renews next, and so a higher token, at the cost of a write for each voter: for
// who has used up what can be told apart under this one. Who does not hold the lease is not concerned.
func (m *Machine) Renumber(now time.Duration) Effects {
	m.begin(now)
	if m.held.Active(now) && m.try.phase == accepting {
		m.try.outrun = true
	}
	return m.end(now)
}

// Change has the holder propose other voters for the next epoch: one more, or one fewer. It takes a few rounds, and
// may come to nothing if this node loses the lease or a newcomer does not answer; Config tells. It returns
// ErrNotHolder; ErrChanging while an earlier change is under way, and until a majority of its voters has promised; or
// an error that wraps ErrMalformed.
func (m *Machine) Change(now time.Duration, voters []Voter) (Effects, error) {
	m.begin(now)
	err := m.mayChange(now, voters)
	if err == nil {
		t := &m.try
		t.change, t.inviting = voters, len(without(voters, m.rec.Config.Voters)) > 0
		t.lapses = now + m.set.Patience
		m.nextRound(now)
	}
	return m.end(now), err
}

func (m *Machine) mayChange(now time.Duration, voters []Voter) error {
	switch {
	case !m.held.Active(now):
		return ErrNotHolder
	case !m.Settled(now):
		return ErrChanging
	}
	if err := m.rec.Config.checkNext(voters); err != nil {
		return err
	}
	if !m.rec.Config.next(voters).mayLead(m.self) {
		return fmt.Errorf("%w: the holder goes itself", ErrMalformed)
	}
	return nil
}

// takeOver has a new ballot propose what it may be that an earlier one has got agreed: the change that came with its
// promises. The one voter of a config needs not: no other than itself can have agreed, and it has not gone on.
func (m *Machine) takeOver(now time.Duration) {
	t := &m.try
	if t.pending == nil || len(m.rec.Config.Voters) == 1 || mutant.On(mutant.LeaseForgetPending) {
		return
	}
	t.change, t.inviting, t.lapses = t.pending.Voters, false, now+m.set.Patience
}

// lapse gives up a change that does not get on, if nobody can have agreed to it, and reports whether it did.
func (m *Machine) lapse(now time.Duration) bool {
	t := &m.try
	switch {
	case t.inviting:
		t.change, t.inviting = nil, false
	case len(m.rec.Config.Voters) == 1:
		m.propose(now)
		return true
	default:
		t.lapses = now + m.set.Patience
	}
	return false
}

// advance takes a change one stage on. The newcomer accepts it first, so that the old voters do not bind themselves
// to one who is not there. Then all do; with majorities of old and new it is agreed (R10), and the holder goes on in
// the new epoch, with a new ballot.
func (m *Machine) advance(now time.Duration) {
	t := &m.try
	old := m.rec.Config.Voters
	switch {
	case t.change == nil:
	case t.inviting && len(without(t.change, old)) == m.votesOf(without(t.change, old)):
		t.inviting = false
		m.nextRound(now)
	case !t.inviting && (m.majorityOf(old) && m.majorityOf(t.change) || mutant.On(mutant.LeaseChangeUnagreed)):
		m.install(now, m.rec.Config.next(t.change))
		if m.rec.Config.mayLead(m.self) {
			m.propose(now)
		}
	}
}
