package lease

import (
	"encoding/binary"
	"math/bits"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// phase is how far a try has come.
type phase uint8

const (
	idle phase = iota
	preparing
	accepting // asking for the lease or, round by round, for more of it
)

// try is what a proposer asks for with one ballot, of the voters of one config: a new config ends it.
type try struct {
	phase  phase
	ballot Ballot
	// sent is when what it now asks was asked first: a lease lasts from there (R2). In round 1 that is when Prepare
	// was.
	sent    time.Duration
	begun   time.Duration // when the ballot was made
	round   uint64
	votes   uint32 // who has answered, a bit each, in the order of panel
	refused uint32 // who has not promised and will not soon
	resend  time.Duration
	outrun  bool // the next round needs a new ballot: an acceptor has promised a higher one, or Renumber wants it

	pending *Change // the highest that came with promises
	change  []Voter // the voters to be; nil for none
	// inviting: the change has been told to the newcomer only, and may yet be dropped.
	inviting bool
	lapses   time.Duration // when a change that does not get on is given up, if it may be
}

func count(set uint32) int { return bits.OnesCount32(set) }

// panel are the nodes that are asked: the voters, then a newcomer. A node's place in it stays the same during a round.
func (m *Machine) panel() []Voter {
	now := m.rec.Config.Voters
	return append(now[:len(now):len(now)], without(m.try.change, now)...)
}

// votesOf counts who of some voters has answered.
func (m *Machine) votesOf(voters []Voter) int {
	n := 0
	for i, v := range m.panel() {
		if m.try.votes&(1<<i) != 0 && has(voters, v.Node) {
			n++
		}
	}
	return n
}

func (m *Machine) majorityOf(voters []Voter) bool { return m.votesOf(voters) >= majority(len(voters)) }

// vote counts a node, once (R6).
func (m *Machine) vote(from ident.NodeID) {
	i := find(m.panel(), from)
	if i < 0 || m.watch.deviates(from) {
		return
	}
	if mutant.On(mutant.LeaseCountMessages) {
		i = bits.TrailingZeros32(^m.try.votes)
	}
	m.try.votes |= 1 << i
}

// pursue does what is due about having the lease.
func (m *Machine) pursue(now time.Duration) {
	if !m.rec.Config.mayLead(m.self) || now < m.pursuit() {
		return
	}
	switch t := m.try; {
	case t.phase == idle:
		m.propose(now)
	case t.phase == preparing && now >= t.begun+m.set.Patience:
		m.fail(now, now)
	case t.phase == preparing:
		m.ask()
	default:
		m.carryOn(now)
	}
}

// pursuit is when pursue has something to do.
func (m *Machine) pursuit() time.Duration {
	t := m.try
	switch {
	case t.phase == idle:
		return m.turn()
	case t.phase == preparing:
		return min(t.resend, t.begun+m.set.Patience)
	}
	due := t.sent + m.set.Renew
	if !m.majorityOf(m.rec.Config.Voters) {
		due = min(due, t.resend)
	}
	if t.change != nil {
		due = min(due, t.resend, t.lapses)
	}
	return due
}

// turn is when this node may ask for the lease. Those who may take turns, from the one after the last holder on.
func (m *Machine) turn() time.Duration {
	t := max(m.retry, m.deferred)
	if g := m.granted; !g.ballot.IsZero() && g.ballot.Node != m.self {
		t = max(t, g.expiry+m.stagger(g.ballot.Node))
	} else if g.ballot.IsZero() {
		t = max(t, m.mute+m.stagger(ident.NodeID{}))
	}
	return t
}

// stagger is how long after the end of a holder's lease this node's turn comes.
func (m *Machine) stagger(holder ident.NodeID) time.Duration {
	voters := m.rec.Config.Voters
	rank := find(voters, m.self)
	if h := find(voters, holder); h >= 0 {
		rank = (rank - h - 1 + len(voters)) % len(voters)
	}
	return time.Duration(rank) * m.set.Stagger
}

// propose begins a try with a ballot above all that it has heard of. A lease that is held goes on meanwhile.
func (m *Machine) propose(now time.Duration) {
	m.counter++
	b := Ballot{Counter: m.counter, Incarnation: m.rec.Incarnation, Node: m.self}
	m.try = try{phase: preparing, ballot: b, sent: now, begun: now}
	m.ask()
}

// ask asks those who have not answered, this node's own acceptor last, and notes when to ask again.
func (m *Machine) ask() {
	t, now := m.try, m.last
	m.try.resend = now + m.set.Resend
	own := false
	for i, v := range m.panel() {
		switch {
		case t.votes&(1<<i) != 0:
		case v.Node == m.self:
			own = true
		default:
			m.send(v.Node, m.question(v.Node))
		}
	}
	if !own {
		return
	}
	if answer, ok := m.serve(now, m.stamp(m.question(m.self))); ok {
		m.answered(now, m.self, answer)
	}
}

func (m *Machine) question(to ident.NodeID) Message {
	t := m.try
	if t.phase == preparing {
		return Message{Kind: Prepare, Ballot: t.ballot}
	}
	msg := Message{Kind: Accept, Ballot: t.ballot, Round: t.round, Doubt: m.watch.deviates(to)}
	if t.change != nil && (!t.inviting || !has(m.rec.Config.Voters, to)) {
		msg.Change = &Change{t.ballot, t.change}
	}
	return msg
}

// answered takes in what an acceptor says to what this proposer asks. What answers anything else is out of date.
func (m *Machine) answered(now time.Duration, from ident.NodeID, msg Message) {
	t := m.try
	if t.phase == idle || msg.Ballot != t.ballot || msg.Config.Epoch != m.rec.Config.Epoch {
		return
	}
	switch {
	case msg.Kind == Refuse:
		m.onRefuse(now, from, msg)
	case msg.Kind == Promise && t.phase == preparing:
		m.onPromise(now, from, msg)
	case msg.Kind == Accepted && t.phase == accepting && (msg.Round == t.round || mutant.On(mutant.LeaseStaleRound)):
		m.onAccepted(now, from, msg)
	}
}

// onPromise keeps R5: a majority promised, each of them at a moment when no lease of another lived there.
func (m *Machine) onPromise(now time.Duration, from ident.NodeID, msg Message) {
	m.sight(now, from, msg)
	if m.try.phase == idle {
		return
	}
	if c := msg.Change; c != nil && (m.try.pending == nil || m.try.pending.Ballot.Compare(c.Ballot) < 0) {
		m.try.pending = c
	}
	m.vote(from)
	if !m.majorityOf(m.rec.Config.Voters) {
		return
	}
	t := &m.try
	t.phase, t.round, t.votes = accepting, 1, 0
	if mutant.On(mutant.LeaseTimerAtQuorum) {
		t.sent = now
	}
	m.takeOver(now)
	m.ask()
}

// onRefuse learns from a refusal when to ask again, and with which ballot.
func (m *Machine) onRefuse(now time.Duration, from ident.NodeID, msg Message) {
	t := &m.try
	if msg.Promised.Compare(t.ballot) > 0 {
		t.outrun = true
		if !m.held.Active(now) {
			m.fail(now, now)
		}
		return
	}
	i := find(m.panel(), from)
	if i < 0 || m.held.Active(now) || msg.Remaining <= m.set.Patience {
		return // a lease that ends soon is waited for: Prepare is sent again
	}
	t.refused |= 1 << i
	if voters := m.rec.Config.Voters; len(voters)-count(t.refused&(1<<len(voters)-1)) < majority(len(voters)) {
		m.fail(now, now+msg.Remaining+m.stagger(msg.Promised.Node))
	}
}

// fail ends a try. The next one comes not before a time that is given, nor before a pause that doubles from try to
// try, up to eight times, and is not the same for any two nodes.
func (m *Machine) fail(now, before time.Duration) {
	pause := m.set.Resend / 2 << min(m.failures, 3)
	pause += time.Duration(m.draw() % uint64(m.set.Resend))
	m.failures++
	m.try = try{}
	m.retry = max(before, now+pause)
}

// draw is a number that no two nodes, nor two tries of one, have in common: splitmix64 (Steele, Lea and Flood, Fast
// Splittable Pseudorandom Number Generators, 2014).
func (m *Machine) draw() uint64 {
	z := binary.BigEndian.Uint64(m.self[:]) ^ m.rec.Incarnation.Salt + 0x9e3779b97f4a7c15*(m.counter+1)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
