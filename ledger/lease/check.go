package lease

import (
	"fmt"
	"time"
)

// maxRemaining bounds what a lease may have left.
const maxRemaining = 1000 * time.Hour

// check refuses a message that no machine sends: each kind has its own fields, and no others.
func (m Message) check() error {
	if m.Kind < Prepare || m.Kind > Release {
		return fmt.Errorf("%w: a message of kind %d", ErrMalformed, m.Kind)
	}
	rounds := m.Kind == Accept || m.Kind == Accepted
	switch {
	case m.Life.Count >= maxNumber || m.Clock < 0 || m.Round >= maxNumber || rounds != (m.Round > 0):
		return fmt.Errorf("%w: numbers of a %s", ErrMalformed, m.Kind)
	case m.Change != nil && m.Kind != Accept && m.Kind != Promise:
		return fmt.Errorf("%w: a %s with a change", ErrMalformed, m.Kind)
	case m.Kind != Refuse && (!m.Promised.IsZero() || m.Remaining != 0), m.Remaining < 0 || m.Remaining > maxRemaining:
		return fmt.Errorf("%w: a %s that refuses", ErrMalformed, m.Kind)
	case m.Doubt && m.Kind != Accept:
		return fmt.Errorf("%w: a %s with doubt", ErrMalformed, m.Kind)
	}
	if err := checkBallot(m.Ballot); err != nil {
		return err
	}
	if err := checkOptionalBallot(m.Promised); err != nil {
		return err
	}
	if err := m.Config.check(); err != nil {
		return err
	}
	return m.Change.check(m.Config)
}

// check refuses a record that no machine writes.
func (r Record) check() error {
	if r.Incarnation.Count >= maxNumber {
		return fmt.Errorf("%w: incarnation %d", ErrMalformed, r.Incarnation.Count)
	}
	if err := checkOptionalBallot(r.Promised); err != nil {
		return err
	}
	if err := r.Config.check(); err != nil {
		return err
	}
	if r.Pending != nil && r.Pending.Ballot.Compare(r.Promised) > 0 {
		return fmt.Errorf("%w: a change above what is promised", ErrMalformed)
	}
	return r.Pending.check(r.Config)
}

func checkBallot(b Ballot) error {
	if b.Node.IsZero() || b.Counter == 0 || b.Counter >= maxNumber || b.Incarnation.Count >= maxNumber {
		return fmt.Errorf("%w: a ballot out of bounds", ErrMalformed)
	}
	return nil
}

func checkOptionalBallot(b Ballot) error {
	if b.IsZero() {
		return nil
	}
	return checkBallot(b)
}

// check refuses a change that cannot follow on a config.
func (c *Change) check(from Config) error {
	if c == nil {
		return nil
	}
	if from.Epoch == 0 {
		return fmt.Errorf("%w: a change without a config", ErrMalformed)
	}
	if err := checkBallot(c.Ballot); err != nil {
		return err
	}
	return from.checkNext(c.Voters)
}
