package lead

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"selvage/ledger/lease"
)

// Bounds.
const (
	maxInbox = 64               // messages that wait for the machine
	maxFly   = 8                // messages to one peer that are on their way
	maxBegun = 16               // terms that have begun and are not recorded; the earliest go
	pause    = 5 * time.Second  // after a record that could not be written
	flushFor = time.Second      // how long a node that closes waits for its last messages to leave
	noTick   = 10 * time.Minute // a timer is set though nothing is due
)

// delivery is a message that came, and where its answer goes.
type delivery struct {
	from   peerMessage
	answer chan<- lease.Message // holds one; nil if nobody waits
}

// order is a step that somebody asks for.
type order struct {
	step func(*lease.Machine, time.Duration) (lease.Effects, error)
	done chan<- error // holds one
}

// order has the machine do a step, and returns when it is carried out. The error is the step's, ctx's, or ErrClosed.
func (l *Lead) order(ctx context.Context, step func(*lease.Machine, time.Duration) (lease.Effects, error)) error {
	if l.ctx.Err() != nil { // that work has ended may be because of this: see Closing
		return ErrClosed
	}
	done := make(chan error, 1)
	select {
	case l.orders <- order{step, done}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ctx.Done():
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-l.ctx.Done():
		return ErrClosed
	}
}

// run has one machine after another, for as long as the node is up: one whose record cannot be kept is thrown away.
func (l *Lead) run() {
	for {
		if err := l.live(); err != nil {
			l.cfg.Alert(fmt.Sprintf("this node takes no part in leading its site: %v", err))
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-l.ctx.Done():
			t.Stop()
			return
		}
	}
}

// live is the life of one machine. It returns nil when the node closes.
func (l *Lead) live() error {
	rec, err := l.recall()
	if err != nil {
		return err
	}
	m, fx := lease.Start(l.cfg.Self, l.cfg.Settings, rec, rand.Uint64(), l.cfg.Clock())
	l.voting = voting{}
	l.forget()
	if err := l.carry(m, fx, nil); err != nil {
		return err
	}
	for _, k := range l.cfg.Known() {
		if err := l.learn(m, k); err != nil {
			return err
		}
	}
	return l.serveMachine(m)
}

func (l *Lead) learn(m *lease.Machine, k Known) error {
	return l.carry(m, m.Learn(l.cfg.Clock(), k.Author, k.Config, k.Token), nil)
}

// serveMachine feeds the machine until the node closes, or its record cannot be kept.
func (l *Lead) serveMachine(m *lease.Machine) error {
	t := time.NewTimer(l.due(m))
	defer t.Stop()
	for {
		var err error
		select {
		case <-l.ctx.Done():
			return nil
		case <-t.C:
			if err = l.carry(m, m.Tick(l.cfg.Clock()), nil); err == nil {
				err = l.tendVoters(m)
			}
		case d := <-l.inbox:
			err = l.carry(m, m.Receive(l.cfg.Clock(), d.from.id, d.from.message), &d)
		case k := <-l.learnt:
			err = l.learn(m, k)
		case o := <-l.orders:
			fx, refused := o.step(m, l.cfg.Clock())
			err = l.carry(m, fx, nil)
			o.done <- refused
		}
		if err != nil {
			return err
		}
		l.voting.even(m.Config(), l.cfg.Clock())
		t.Reset(l.due(m))
	}
}

// due is how long the machine may be left alone.
func (l *Lead) due(m *lease.Machine) time.Duration {
	now := l.cfg.Clock()
	wait := noTick
	if at, ok := m.Next(); ok {
		wait = min(wait, l.pace(at-now))
	}
	return max(min(wait, l.voting.due(m, now)), time.Millisecond)
}

// carry carries out the effects of a step, in the order that package lease wants.
func (l *Lead) carry(m *lease.Machine, fx lease.Effects, d *delivery) error {
	if !fx.Lease.Active(l.cfg.Clock()) {
		l.know(m, lease.Lease{}) // to give up early is always safe, and the disk may take its time
	}
	if fx.Record != nil {
		if err := l.keep(*fx.Record); err != nil {
			l.know(m, lease.Lease{})
			return err
		}
	}
	l.know(m, fx.Lease)
	l.sendAll(fx.Send, d)
	for _, a := range fx.Alarms {
		l.alarm(a)
	}
	return nil
}

// sendAll sends messages; the answer to one that came goes back on its stream.
func (l *Lead) sendAll(all []lease.Envelope, d *delivery) {
	var answer chan<- lease.Message
	if d != nil && d.answer != nil {
		answer = d.answer
		defer close(answer)
	}
	for _, e := range all {
		if answer != nil && e.To == d.from.id && e.Message.Kind.Answers() {
			select {
			case answer <- e.Message:
				continue
			default: // a second one: it goes its own way
			}
		}
		l.send(e)
	}
}

// know makes known what this node holds.
func (l *Lead) know(m *lease.Machine, held lease.Lease) {
	longer := l.take(m, held)
	if longer && l.cfg.Held != nil {
		l.cfg.Held(held.Token)
	}
}

// take is know without a word to Held; it reports whether the lease has begun or was prolonged.
func (l *Lead) take(m *lease.Machine, held lease.Lease) (longer bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, before := l.cfg.Clock(), l.seen.Config
	was, is := l.held.Active(now), held.Active(now)
	l.see(m, now)
	if before.Epoch != l.seen.Config.Epoch {
		l.notify()
	}
	if l.held.Deadline != 0 && !is {
		l.drop()
	}
	if !is || l.held == held {
		return false
	}
	other := l.held.Token != held.Token
	l.held = held
	if other || !was {
		l.gained(held.Token, before, was)
	}
	return true
}

// gained tells of a lease that has begun, or has another token. The caller holds mu.
func (l *Lead) gained(t lease.Token, before lease.Config, led bool) {
	l.fence = t.Number(before, l.seen.Config)
	what := "lead: gained"
	if led {
		what = "lead: renewed"
	}
	l.cfg.Logger.Info(what, "epoch", strconv.FormatUint(l.fence, 10))
	l.notify()
	if !led {
		l.first = l.fence
		l.begun = append(l.begun, Begun{At: l.cfg.Clock(), Token: t, Fence: l.fence, Config: l.seen.Config, Before: l.past.before(t)})
		l.begun = l.begun[max(0, len(l.begun)-maxBegun):]
	}
	select { // this goroutine alone puts something in
	case <-l.tell:
	default:
	}
	l.tell <- lease.Held{Config: l.seen.Config, Token: t}
}

// publish puts into the ledger what the lease is held with, the newest only.
func (l *Lead) publish() {
	var h lease.Held
	var again <-chan time.Time
	for {
		select {
		case h = <-l.tell:
		case <-again:
		case <-l.ctx.Done():
			return
		}
		again = nil
		err := l.cfg.Publish(h)
		if err == nil {
			err = l.record()
		}
		if err != nil {
			l.cfg.Logger.Debug("lead: cannot publish the lease", "err", err)
			again = time.After(pause)
		}
	}
}

// see keeps for people what the machine shows. The caller holds mu.
func (l *Lead) see(m *lease.Machine, now time.Duration) {
	l.seen = View{Config: m.Config(), Mute: m.MuteUntil()}
	if leader, ok := m.Leader(now); ok {
		l.seen.Leader, l.seen.Fence = leader, leader.Token.Number(m.Config())
	}
	l.past.see(l.seen.Leader, l.seen.Fence, now)
}

// alarm tells people of a violated assumption.
func (l *Lead) alarm(a lease.Alarm) {
	node := a.Node.Short()
	switch a.Kind {
	case lease.ClockWentBack:
		l.cfg.Alert("the clock of this node went back: it takes no part in leading its site for ten minutes")
	case lease.ClockDeviates:
		l.cfg.Alert("the clock of this node does not run as those of others do: it takes no part in leading its site for ten minutes; check its clock source")
	case lease.PeerDeviates:
		l.cfg.Alert("the clock of node " + node + " does not run as those of others do: its votes for the site's leader do not count; check its clock source")
	case lease.DiskWentBack:
		l.cfg.Alert("the disk of this node was put back to an older state: it takes part in leading its site again after a pause")
	case lease.ConfigsConflict:
		l.cfg.Alert("node " + node + " goes by other voters of the site than this one: the site may have been founded twice")
	}
}
