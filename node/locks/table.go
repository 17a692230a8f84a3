package locks

import (
	"maps"
	"slices"
	"strings"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
	"selvage/ledger/lease"
)

// Bounds of a Table.
const (
	MaxLocks   = 1024
	maxWaiting = 64              // for one lock
	forget     = 5 * time.Second // of who waits: more than two tries that nobody answered
	grantBits  = 10              // of a token
	maxGrants  = 1<<grantBits - 1
	lowGrants  = maxGrants * 3 / 4
	maxFence   = 1 << (63 - grantBits)
)

// Claim is what a client takes one lock with, once: random, or at least like no other of its node's.
type Claim [16]byte

// Who is a client: its node, as the connection has proved, and its claim.
type Who struct {
	Node  ident.NodeID
	Claim Claim
}

// Want is what a client asks for.
type Want uint8

// What is asked.
const (
	Take    Want = 1 // the lock, or a place in the line; again and again
	Keep    Want = 2 // more time, of who holds it
	Release Want = 3 // it is done, or waits no longer
)

// Ask is what a client asks.
type Ask struct {
	Want  Want
	Name  string // of the lock, as manifest.CheckPath wants it
	Claim Claim
}

// State is how a client stands.
type State uint8

// How a client may stand.
const (
	Held     State = 1 // it is the client's
	Waiting  State = 2 // the client has a place in the line, or will have one when it asks again
	Lost     State = 3 // it is not the client's, or not for longer than it was told before
	Released State = 4
	Full     State = 5 // there is no room for more locks, or for more who wait
)

// Answer is what the leader says.
type Answer struct {
	State State
	Token uint64        // of Held
	For   time.Duration // of Held: how long the client may count, by its own clock, from when it sent the question
	Ahead int           // of Waiting: who come before, the holder among them; 0: nobody is given any now
	// Holder is the node whose client holds it, of Waiting; zero: it is free, and others come first.
	Holder ident.NodeID
}

// Term is the leader's authority to give locks.
type Term struct {
	Fence uint64 // the lease's token as one number
	// Until is when all that is granted has to have ended, by the leader's clock: some time before its lease ends. What lies in the past
	// grants nothing: a leader that is about to pass the lead on.
	Until time.Duration
}

// Table is what a leader knows of locks. It is not safe for concurrent use.
type Table struct {
	settings lease.Settings
	locks    map[string]*entry
	fence    uint64 // Invariant: the highest that a token was made of
	used     uint64 // how many were made of it
}

// entry is one lock that is held or waited for.
type entry struct {
	holder holding // the zero holding if it is free
	line   []waiter
}

type holding struct {
	who   Who
	token uint64
	since time.Duration
	until time.Duration // Invariant: later, in true time, than the end of what its client was told; never later than Term.Until was
}

type waiter struct {
	who   Who
	heard time.Duration
}

// NewTable returns the table of who leads under such a lease.
func NewTable(s lease.Settings) *Table { return &Table{settings: s, locks: map[string]*entry{}} }

// Ask answers a client at now. It is idempotent. The term is to be the leader's of a moment that is not before now.
func (t *Table) Ask(now time.Duration, term Term, node ident.NodeID, a Ask) Answer {
	who := Who{node, a.Claim}
	e := t.tidy(now, a.Name)
	switch {
	case a.Want == Release:
		e.leave(who)
		t.tidy(now, a.Name)
		return Answer{State: Released}
	case e.holder.who == who && now < term.Until:
		return t.prolong(now, term, e)
	case a.Want == Keep:
		return Answer{State: Lost}
	case now >= term.Until:
		return Answer{State: Waiting, Holder: e.holder.who.Node}
	}
	return t.queue(now, term, a.Name, e, who)
}

// tidy drops what is over of a lock, and returns the rest: an entry that is not in the table if there is nothing.
func (t *Table) tidy(now time.Duration, name string) *entry {
	e := t.locks[name]
	if e == nil {
		return &entry{}
	}
	if e.holder.until <= now {
		e.holder = holding{}
	}
	e.line = slices.DeleteFunc(e.line, func(w waiter) bool { return now-w.heard > forget })
	if e.holder.token == 0 && len(e.line) == 0 {
		delete(t.locks, name)
	}
	return e
}

// leave gives back what a client has.
func (e *entry) leave(who Who) {
	if e.holder.who == who {
		e.holder = holding{}
	}
	e.line = slices.DeleteFunc(e.line, func(w waiter) bool { return w.who == who })
}

// queue gives a client the lock, if it is free and the client's turn, or a place in the line.
func (t *Table) queue(now time.Duration, term Term, name string, e *entry, who Who) Answer {
	place := slices.IndexFunc(e.line, func(w waiter) bool { return w.who == who })
	if place < 0 {
		if !t.room(now, name, e) {
			return Answer{State: Full, Holder: e.holder.who.Node}
		}
		place = len(e.line)
		e.line = append(e.line, waiter{who: who})
		t.locks[name] = e
	}
	e.line[place].heard = now
	if token, ok := t.token(term.Fence); ok && place == 0 && e.holder.token == 0 {
		t.used++
		e.line = slices.Delete(e.line, 0, 1)
		e.holder = holding{who: who, token: token, since: now}
		return t.prolong(now, term, e)
	}
	a := Answer{State: Waiting, Ahead: place, Holder: e.holder.who.Node}
	if e.holder.token != 0 {
		a.Ahead++
	}
	return a
}

// room reports whether one more can wait for a lock.
func (t *Table) room(now time.Duration, name string, e *entry) bool {
	if _, known := t.locks[name]; !known && len(t.locks) >= MaxLocks {
		for _, other := range slices.Collect(maps.Keys(t.locks)) {
			t.tidy(now, other)
		}
		if len(t.locks) >= MaxLocks {
			return false
		}
	}
	return len(e.line) < maxWaiting
}

// token returns the next one under a lease; false if there is none.
func (t *Table) token(fence uint64) (uint64, bool) {
	if fence > t.fence {
		t.fence, t.used = fence, 0
	}
	return fence<<grantBits | (t.used + 1), fence == t.fence && fence < maxFence && t.used < maxGrants
}

// prolong gives the holder all the time that the term has.
func (t *Table) prolong(now time.Duration, term Term, e *entry) Answer {
	if mutant.On(mutant.LockOutlivesLease) {
		term.Until = now + t.settings.Authority
	}
	e.holder.until = max(e.holder.until, term.Until)
	return Answer{State: Held, Token: e.holder.token, For: t.settings.Elsewhere(term.Until - now)}
}

// Low reports whether few tokens are left under the lease: the leader is to take a higher one.
func (t *Table) Low() bool { return t.used >= lowGrants }

// Latest is when the last of what is granted now has ended, by this clock; false if nothing is granted.
func (t *Table) Latest(now time.Duration) (until time.Duration, any bool) {
	for _, e := range t.locks {
		if e.holder.until > now {
			until, any = max(until, e.holder.until), true
		}
	}
	return until, any
}

// Lock is one lock that is held or waited for.
type Lock struct {
	Name    string
	Holder  ident.NodeID // whose client holds it; zero: nobody yet
	Token   uint64
	Since   time.Duration // how long it has been held
	Left    time.Duration // for how long it is granted, unless the client asks for more
	Waiting int
}

// List returns the locks whose names come after one, in order of their names, at most so many.
func (t *Table) List(now time.Duration, after string, most int) (out []Lock) {
	for _, name := range slices.SortedFunc(maps.Keys(t.locks), strings.Compare) {
		e := t.tidy(now, name)
		switch {
		case name <= after || t.locks[name] == nil:
		case len(out) == most:
			return out
		default:
			l := Lock{Name: name, Waiting: len(e.line)}
			if h := e.holder; h.token != 0 {
				l.Holder, l.Token, l.Since, l.Left = h.who.Node, h.token, now-h.since, h.until-now
			}
			out = append(out, l)
		}
	}
	return out
}
