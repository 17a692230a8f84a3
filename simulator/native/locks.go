package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"selvage/node/locks"
	"selvage/node/runtime"
	"selvage/simulator/scenario"
)

// Overlapped implements simulator.Overseer.
func (w *world) Overlapped() string { return w.locks.said() }

// LockTaken implements simulator.Overseer.
func (w *world) LockTaken(place string) (at time.Duration, any bool) {
	w.locks.mu.Lock()
	defer w.locks.mu.Unlock()
	for _, m := range w.placed(place) {
		if t, took := w.locks.begun[m.String()]; took {
			at, any = max(at, t), true
		}
	}
	return at, any
}

// Lock implements simulator.Stage.
func (w *world) Lock(l scenario.Lock) error {
	machines := w.placed(l.On)
	if len(machines) == 0 {
		return fmt.Errorf("lock %s: nobody is at %s", l.Name, l.On)
	}
	for _, m := range machines {
		w.lockers++
		p := &locker{machine: m, lock: l, claim: locks.Claim{byte(w.lockers), byte(w.lockers >> 8)}}
		w.wg.Go(p.run)
	}
	return nil
}

// locker is a program that takes a lock over and over, and works while it holds it. It is no part of the machine's node: it goes on when that is killed, or stands
// still, and stands still with a machine that sleeps. It plays the worst that 'selvage lock' lets happen: its work does not hear that it is to end.
type locker struct {
	machine *machine
	lock    scenario.Lock
	claim   locks.Claim
}

func (p *locker) run() {
	ctx := p.machine.world.ending
	for n := uint32(0); ctx.Err() == nil; n++ {
		p.claim[4], p.claim[5], p.claim[6], p.claim[7] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
		c := locks.NewClient(p.lock.Name, p.claim, p.ask, p.machine.clock.uptime)
		if c.Take(ctx, -1, func(locks.Answer, error) {}) == nil {
			p.work(ctx, c)
		}
		_ = c.Release(ctx) // if nobody hears it, the lock is free when it runs out
		p.rest(ctx, p.lock.Rest, nil)
	}
}

var errStill = errors.New("the node is down, or stands still")

// ask puts a question to the machine's node. What a node that stands still decides takes effect when it goes on.
func (p *locker) ask(ctx context.Context, a locks.Ask) (locks.Answer, error) {
	m := p.machine
	m.mu.Lock()
	l := m.life
	m.mu.Unlock()
	n := m.node()
	if l == nil || n == nil || !l.goes() {
		return locks.Answer{}, errStill
	}
	got, err := n.Lock(ctx, a)
	if err == nil && !l.goes() {
		err = errStill
	}
	return got, err
}

// work is what a program does with the lock, under a guard.
func (p *locker) work(ctx context.Context, c *locks.Client) {
	m := p.machine
	m.world.trace.Note(m.String(), "lock", "%s is held with %d", p.lock.Name, c.Token())
	end := m.world.locks.begin(m, p.lock.Name, c.Token())
	m.world.changed()
	keeping, done := context.WithCancel(ctx)
	m.world.wg.Go(func() { c.Keep(keeping) })
	why := p.guard(ctx, c)
	done()
	m.stillness.rest()
	end()
	m.world.trace.Note(m.String(), "lock", "%s: %s", p.lock.Name, why)
}

// guard returns when the work is done, or dead, and says which.
func (p *locker) guard(ctx context.Context, c *locks.Client) string {
	clock := p.machine.clock.uptime
	done, told := clock()+p.lock.Hold, time.Duration(0)
	for ctx.Err() == nil {
		changed := c.Changed()
		now, term := clock(), c.Term()
		if term.Run <= 0 && told == 0 {
			told = now
		}
		end := min(now+term.Live, done)
		if told != 0 {
			end = min(end, told+runtime.LeaseGrace)
			changed = nil
		}
		switch {
		case now >= done:
			return "done"
		case now >= end:
			return "lost"
		case told == 0:
			end = min(end, now+term.NextLook())
		}
		p.rest(ctx, end-now, changed)
	}
	return "over"
}

// rest waits until the machine's clock has gone on by d, which may be faster than a timer, or until something has changed.
func (p *locker) rest(ctx context.Context, d time.Duration, changed <-chan struct{}) {
	t := time.NewTimer(max(d-d/50, time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-ctx.Done():
	}
}
