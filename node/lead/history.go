package lead

import (
	"time"

	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// Begun is the begin of a term: this node has come to lead, and did not the moment before. That its lease takes a higher token later is none.
type Begun struct {
	At     time.Duration // by this node's clock
	Token  lease.Token
	Fence  uint64 // the token as one number
	Config lease.Config
	Before Before
}

// Before is how the lease before this node's ended, as far as it has seen: the zero Before is not at all.
type Before struct {
	Holder  ident.NodeID
	Fence   uint64 // its last token that this node has seen, as one number
	Yielded bool   // its holder gave it up; else it ran out
}

// past is what a node has seen of leases.
type past struct {
	last, prior seenLease
}

type seenLease struct {
	lease   lease.Lease // its deadline is when it ends for this node's acceptor
	fence   uint64
	over    bool
	yielded bool
}

// see notes which lease this node's acceptor takes to be alive, the zero Lease for none.
func (p *past) see(l lease.Lease, fence uint64, now time.Duration) {
	switch {
	case l.Token.IsZero():
		p.last = p.last.end(now)
	case l.Token.Ballot == p.last.lease.Token.Ballot && !p.last.over:
		p.last.lease, p.last.fence = l, fence
	default:
		p.prior, p.last = p.last.end(now), seenLease{lease: l, fence: fence}
	}
}

// end notes that a lease is over: before its time, if it was released.
func (s seenLease) end(now time.Duration) seenLease {
	if !s.over {
		s.over, s.yielded = true, now < s.lease.Deadline
	}
	return s
}

// before is how the lease before one that has just begun ended.
func (p *past) before(t lease.Token) Before {
	s := p.last
	if s.lease.Token.Ballot == t.Ballot {
		s = p.prior
	}
	if !s.over || s.lease.Token.IsZero() {
		return Before{}
	}
	return Before{s.lease.Token.Ballot.Node, s.fence, s.yielded}
}

// forget has a new machine begin with nothing seen: it does not know what its acceptor has accepted.
func (l *Lead) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.past = past{}
}

// record has the terms recorded that are not yet, the earliest first.
func (l *Lead) record() error {
	for {
		l.mu.Lock()
		if len(l.begun) == 0 {
			l.mu.Unlock()
			return nil
		}
		b := l.begun[0]
		l.mu.Unlock()
		if err := l.cfg.Record(b); err != nil {
			return err
		}
		l.mu.Lock()
		if len(l.begun) > 0 && l.begun[0].Token == b.Token {
			l.begun = l.begun[1:]
		}
		l.mu.Unlock()
	}
}
