package lease

import (
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// Machine is one node's part in its site's lease: acceptor, proposer and holder. Every method that takes now, the
// reading of a clock that counts suspend, is one step. A Machine is not safe for concurrent use.
//
// Slices and pointers in it are never written through, so what a step returned stays as it is.
type Machine struct {
	self ident.NodeID
	set  Settings
	rec  Record        // Invariant: durable, but for what the step under way returns
	last time.Duration // the latest now
	fx   Effects       // of the step under way

	mute time.Duration // until then it neither votes nor asks for the lease (R7)

	// The acceptor's.
	granted  grant         // what it accepted last
	deferred time.Duration // until then it does not compete with a candidate to whom it promised

	// The proposer's.
	counter  uint64        // Invariant: no ballot of this node in this life has a higher counter
	try      try           // what it asks for
	held     Lease         // Invariant: held.Token.Ballot is of this life
	retry    time.Duration // it does not ask before
	failures int           // tries in a row that failed
	farewell farewell

	watch watch
}

// grant is what an acceptor accepted last. It is not durable: R7 stands in for it.
type grant struct {
	ballot Ballot
	round  uint64        // Invariant: of one ballot, only a higher round prolongs
	expiry time.Duration // Invariant: later than the holder's deadline for that round, in true time
}

// released, as a round, is above all others: the ballot grants nothing more.
const released = ^uint64(0)

// farewell is a release that is told more than once, for what gets lost.
type farewell struct {
	ballots []Ballot
	left    int
	at      time.Duration
}

// farewells is how often a release is told.
const farewells = 3

// abstention is how long a node whose clock violates the bound keeps out.
const abstention = 10 * time.Minute

// Start begins a life of a node, with what its disk remembers; the zero Record for a node that knows of no voters
// yet, Record{Config: Found(self)} for a site's founder. The salt is random. The node is mute for
// Settings.Acceptance: whatever it accepted and forgot has ended by then (R7).
//
// The settings are to pass Settings.Check.
func Start(self ident.NodeID, set Settings, rec Record, salt uint64, now time.Duration) (*Machine, Effects) {
	m := &Machine{self: self, set: set, rec: rec, last: now}
	m.live(now, rec.Incarnation.Count+1, salt)
	return m, m.end(now)
}

// live begins a life that shares nothing with those before it but what is durable.
func (m *Machine) live(now time.Duration, count, salt uint64) {
	m.rec.Incarnation = Incarnation{count, salt}
	if mutant.On(mutant.LeaseNoIncarnation) {
		m.rec.Incarnation = Incarnation{}
	}
	m.save()
	m.held, m.try, m.farewell = Lease{}, try{}, farewell{}
	m.counter = max(m.counter, m.rec.Promised.Counter)
	m.muteFor(now, m.quarantine())
}

func (m *Machine) quarantine() time.Duration {
	if mutant.On(mutant.LeaseShortQuarantine) {
		return m.set.Authority / 2
	}
	return m.set.Acceptance()
}

func (m *Machine) muteFor(now, d time.Duration) { m.mute = max(m.mute, now+d) }

// save has the record as it is now among the effects of the step.
func (m *Machine) save() {
	rec := m.rec
	m.fx.Record = &rec
}

// begin opens a step. A clock that goes back may have stood still or lost a suspend, too: what it timed is void.
func (m *Machine) begin(now time.Duration) {
	if now < m.last {
		m.abstain(now, ClockWentBack)
	}
	m.last = now
}

// end closes a step.
func (m *Machine) end(now time.Duration) Effects {
	fx := m.fx
	m.fx = Effects{}
	if m.held.Active(now) {
		fx.Lease = m.held
	}
	return fx
}

// abstain has a node whose clock violates the bound keep out.
func (m *Machine) abstain(now time.Duration, why AlarmKind) {
	m.alarm(why, m.self)
	m.held, m.try = Lease{}, try{}
	m.mute, m.deferred, m.retry = 0, 0, 0 // they may lie far ahead, if the clock went back
	m.granted.expiry = min(m.granted.expiry, now+abstention)
	m.muteFor(now, max(abstention, m.set.Acceptance()))
	m.watch = watch{}
}

func (m *Machine) alarm(kind AlarmKind, node ident.NodeID) {
	m.fx.Alarms = append(m.fx.Alarms, Alarm{kind, node})
}

// Tick does what is due at now. The shell calls it at Next, or later: nothing but the pace depends on it.
func (m *Machine) Tick(now time.Duration) Effects {
	m.begin(now)
	if m.held.Deadline != 0 && !m.held.Active(now) {
		m.held = Lease{}
	}
	m.tellFarewell(now)
	if now >= m.mute {
		m.pursue(now)
	}
	return m.end(now)
}

// Next returns when Tick is due, by this node's clock; false if only a message can give it something to do.
func (m *Machine) Next() (time.Duration, bool) {
	var due []time.Duration
	if m.held.Deadline != 0 {
		due = append(due, m.held.Deadline)
	}
	if m.farewell.left > 0 {
		due = append(due, m.farewell.at)
	}
	if m.rec.Config.mayLead(m.self) {
		due = append(due, max(m.mute, m.pursuit()))
	}
	if len(due) == 0 {
		return 0, false
	}
	first := due[0]
	for _, d := range due[1:] {
		first = min(first, d)
	}
	return first, true
}

// Receive takes a message in. Forms that no honest node sends are dropped.
func (m *Machine) Receive(now time.Duration, from ident.NodeID, msg Message) Effects {
	m.begin(now)
	if m.plausible(from, msg) {
		m.recognise(now, msg)
		if m.adopt(now, from, msg.Config) {
			m.dispatch(now, from, msg)
		}
	}
	return m.end(now)
}

// plausible reports whether a node that is who it says may send that.
func (m *Machine) plausible(from ident.NodeID, msg Message) bool {
	if from == m.self || msg.check() != nil {
		return false
	}
	switch msg.Kind {
	case Prepare, Accept, Release:
		return msg.Ballot.Node == from && msg.Ballot.Incarnation == msg.Life
	}
	return msg.Ballot.Node == m.self
}

func (m *Machine) dispatch(now time.Duration, from ident.NodeID, msg Message) {
	switch msg.Kind {
	case Prepare, Accept:
		if answer, ok := m.serve(now, msg); ok {
			m.fx.Send = append(m.fx.Send, Envelope{from, answer})
		}
	case Release:
		m.onRelease(now, msg.Ballot)
	default:
		m.answered(now, from, msg)
	}
}

func (m *Machine) send(to ident.NodeID, msg Message) {
	m.fx.Send = append(m.fx.Send, Envelope{to, m.stamp(msg)})
}

// stamp adds what every message carries.
func (m *Machine) stamp(msg Message) Message {
	msg.Config, msg.Life, msg.Clock = m.rec.Config, m.rec.Incarnation, m.last
	return msg
}

// Learn takes in what a lease record in the ledger says: the config under which a lease was held, and its token. A
// node whose disk was put back to an older state thereby hears of both before it votes again.
func (m *Machine) Learn(now time.Duration, author ident.NodeID, c Config, t Token) Effects {
	m.begin(now)
	if c.check() == nil && checkBallot(t.Ballot) == nil {
		m.recognise(now, Message{Ballot: t.Ballot})
		m.adopt(now, author, c)
	}
	return m.end(now)
}

// recognise takes notice of ballots: a try of this node's own comes above all that it has heard of, and a ballot of
// its own that it cannot have made is from a life that its disk forgot.
func (m *Machine) recognise(now time.Duration, msg Message) {
	for _, b := range []Ballot{msg.Ballot, msg.Promised} {
		m.counter = max(m.counter, b.Counter)
		mine := m.rec.Incarnation
		if b.Node != m.self || b.Incarnation.Count < mine.Count || b.Incarnation == mine || mutant.On(mutant.LeaseNoIncarnation) {
			continue
		}
		m.alarm(DiskWentBack, m.self)
		m.live(now, b.Incarnation.Count+1, mine.Salt)
	}
}

// adopt takes over a config that is newer than this node's own. It reports false for one that contradicts it.
func (m *Machine) adopt(now time.Duration, from ident.NodeID, c Config) bool {
	switch {
	case c.Epoch == m.rec.Config.Epoch && !c.equal(m.rec.Config):
		m.alarm(ConfigsConflict, from)
		return false
	case c.Epoch > m.rec.Config.Epoch:
		m.install(now, c)
	}
	return true
}

// install makes a config this node's own. A lease that was held goes on to its deadline under the token that it has;
// the next round is asked of the new voters, with a new ballot.
func (m *Machine) install(now time.Duration, c Config) {
	m.rec.Config, m.rec.Pending = c, nil
	m.save()
	m.try = try{}
	if m.held.Active(now) {
		m.retry = now
	}
}

// Config returns who votes, as far as this node has heard.
func (m *Machine) Config() Config { return m.rec.Config }

// Settled reports whether this node may change the voters now: it holds the lease, a majority has promised under the
// present ones, and no change is under way.
func (m *Machine) Settled(now time.Duration) bool {
	return m.held.Active(now) && m.try.phase == accepting && m.try.change == nil
}

// Leader returns the lease that this node has accepted and takes to be alive, with when it ends for this acceptor, which
// is later than for its holder; false for none. It is for people: another node may lead already, or none.
func (m *Machine) Leader(now time.Duration) (Lease, bool) {
	if !m.granted.live(now) {
		return Lease{}, false
	}
	return Lease{Token{m.rec.Config.Epoch, m.granted.ballot}, m.granted.expiry}, true
}

// MuteUntil returns when the node may vote again, or ask for the lease; what is past if it may.
func (m *Machine) MuteUntil() time.Duration { return m.mute }
