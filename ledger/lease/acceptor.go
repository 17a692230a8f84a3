package lease

import (
	"time"

	"selvage/internal/mutant"
)

func (g grant) live(now time.Duration) bool { return now < g.expiry && g.round != released }

// obstructs reports whether a lease stands in the way of a ballot: a live one of another owner (R4). A lease of the
// same life of the same node does not: that node knows best whether it acts under it.
func (m *Machine) obstructs(now time.Duration, b Ballot) bool {
	if mutant.On(mutant.LeaseOverwriteLive) {
		return false
	}
	return m.granted.live(now) && !m.granted.ballot.sameOwner(b)
}

// serve answers a proposer, who may be this node itself; false for silence.
func (m *Machine) serve(now time.Duration, msg Message) (Message, bool) {
	if now < m.mute {
		m.overhear(now, msg)
		return Message{}, false
	}
	answer, ok := m.decide(now, msg)
	if mutant.On(mutant.LeaseStaleEpoch) {
		answer.Config = msg.Config
	}
	return answer, ok
}

func (m *Machine) decide(now time.Duration, msg Message) (Message, bool) {
	switch {
	case msg.Config.Epoch < m.rec.Config.Epoch && !mutant.On(mutant.LeaseStaleEpoch):
		return m.refuse(msg, 0), true
	case m.obstructs(now, msg.Ballot):
		return m.refuse(msg, m.granted.expiry-now), true
	case msg.Ballot.Compare(m.rec.Promised) < 0:
		return m.refuse(msg, 0), true
	}
	if msg.Ballot.Node != m.self {
		m.deferred = now + m.set.Deference
	}
	if msg.Kind == Prepare {
		return m.promise(msg), true
	}
	return m.accept(now, msg)
}

func (m *Machine) refuse(msg Message, remaining time.Duration) Message {
	return m.stamp(Message{Kind: Refuse, Ballot: msg.Ballot, Promised: m.rec.Promised, Remaining: remaining})
}

// promise keeps R3. That no lease of another lives is part of the promise: with one, there is a refusal, which costs
// nothing durable and leaves the holder's ballot good.
func (m *Machine) promise(msg Message) Message {
	m.raise(msg.Ballot)
	return m.stamp(Message{Kind: Promise, Ballot: msg.Ballot, Change: m.rec.Pending})
}

// raise promises a ballot. Once promised it costs no more writes, however often it is renewed.
func (m *Machine) raise(b Ballot) {
	if b == m.rec.Promised {
		return
	}
	m.rec.Promised = b
	if !mutant.On(mutant.LeaseForgetPromise) {
		m.save()
	}
}

// accept keeps R4. The grant itself is not made durable: a restart forgets it, and R7 waits it out.
func (m *Machine) accept(now time.Duration, msg Message) (Message, bool) {
	g := m.granted
	if g.ballot == msg.Ballot && (msg.Round < g.round || msg.Round == g.round && !g.live(now)) {
		return Message{}, false // out of date, and nobody waits for the answer
	}
	if msg.Doubt {
		m.abstain(now, ClockDeviates)
		return Message{}, false
	}
	m.raise(msg.Ballot)
	if g.ballot != msg.Ballot || g.round != msg.Round {
		m.granted = grant{msg.Ballot, msg.Round, now + m.set.Acceptance()}
	}
	if !msg.Change.equal(m.rec.Pending) && msg.Change != nil {
		m.rec.Pending = msg.Change
		m.save()
	}
	if msg.Ballot.Node != m.self && m.try.phase != idle {
		m.try = try{} // another has won
	}
	return m.stamp(Message{Kind: Accepted, Ballot: msg.Ballot, Round: msg.Round}), true
}

// overhear has a mute acceptor note whose lease there is, so that it does not compete once it may speak.
func (m *Machine) overhear(now time.Duration, msg Message) {
	g := m.granted
	if msg.Kind != Accept || m.obstructs(now, msg.Ballot) || msg.Ballot == g.ballot && msg.Round <= g.round {
		return
	}
	m.granted = grant{msg.Ballot, msg.Round, now + m.set.Acceptance()}
}

// onRelease ends a lease early, if it is exactly the one that was accepted (R8).
func (m *Machine) onRelease(now time.Duration, b Ballot) {
	exact := m.granted.ballot == b
	if mutant.On(mutant.LeaseReleaseByOwner) {
		exact = m.granted.ballot.Node == b.Node
	}
	if !exact || m.granted.round == released {
		return
	}
	m.granted.round, m.granted.expiry, m.deferred = released, now, 0
}
