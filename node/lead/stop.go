package lead

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"selvage/ledger/lease"
)

// StopMargin is how long before the end of an authority that is not renewed the leader's work is told to stop: three
// tenths of it, 3 s at defaults, after a dozen renewals that nobody answered.
func StopMargin(s lease.Settings) time.Duration { return s.Authority * 3 / 10 }

// lastCall is how long before that end the work has to be dead: the contexts of OnStop end there.
func lastCall(s lease.Settings) time.Duration { return max(s.Margin, s.Authority/20) }

// stops is what has to be stopped before the lease passes on.
type stops struct {
	hooks []*hook
	// led: somebody was told that work may go on, and has not been told to stop since.
	led bool
	// quits counts those who want the work stopped, to give the lease up.
	quits int
	// halting is closed when the stop that is under way has ended; nil while none is.
	halting chan struct{}
	hurry   context.CancelFunc // of that stop
}

type hook struct{ stop func(context.Context) }

// Term is what a node may do with work of the leader that goes on by itself. The zero Term is that of a node that does not lead.
type Term struct {
	Fence uint64        // the token as one number, see Lead.Fence
	Left  time.Duration // the authority lasts so long at least, by this node's clock
	// Go: work may begin, or go on. No stop is under way, and more than StopMargin is left. Whoever goes by it has registered
	// with OnStop before.
	Go bool
}

// Term returns the Term at this moment.
func (l *Lead) Term() Term {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := Term{Left: l.left(), Go: l.term()}
	if t.Left > 0 {
		t.Fence = l.fence
	}
	if t.Go && !l.stops.led {
		l.stops.led = true
		l.notify() // the guard watches from now on
	}
	return t
}

// term is Term.Go. The caller holds mu.
func (l *Lead) term() bool {
	return l.stops.halting == nil && l.stops.quits == 0 && l.left() > StopMargin(l.cfg.Settings)
}

// OnStop has stop called each time when work of the leader has to end, in a goroutine of its own. It returns when that work is
// dead; its context ends when there is no time left to be polite, and at once if there is none to begin with. The lease is
// not given up before all have returned, and Term.Go is false until then. It may be called though no work goes on.
//
// remove takes the function out again; it may still be running then.
func (l *Lead) OnStop(stop func(ctx context.Context)) (remove func()) {
	h := &hook{stop}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stops.hooks = append(l.stops.hooks, h)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stops.hooks = slices.DeleteFunc(slices.Clone(l.stops.hooks), func(o *hook) bool { return o == h })
	}
}

// guard has the leader's work stopped in time, and tells of an authority that has run out.
func (l *Lead) guard() {
	t := time.NewTimer(noTick)
	defer t.Stop()
	for {
		changed, wait := l.watch()
		t.Reset(wait)
		select {
		case <-changed:
		case <-t.C:
		case <-l.ctx.Done():
			l.leave()
			return
		}
	}
}

// watch does what is due now, and returns how long it may wait if nothing changes.
func (l *Lead) watch() (changed <-chan struct{}, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, s := l.left(), l.cfg.Settings
	if l.held.Deadline != 0 && left == 0 { // the machine, whose disk may hang, will say the same
		l.drop()
	}
	if l.stops.led && !l.term() && l.stops.halting == nil {
		l.begin()
	}
	if l.stops.halting != nil && left <= lastCall(s) {
		l.stops.hurry()
	}
	changed = l.changed
	for _, margin := range []time.Duration{StopMargin(s), lastCall(s), 0} {
		if left > margin {
			return changed, l.pace(left - margin)
		}
	}
	return changed, noTick
}

// pace is how long a timer may run until this node's clock has gone on by d: the timer may be the slower of the two.
func (l *Lead) pace(d time.Duration) time.Duration {
	return max(d-d*time.Duration(2*l.cfg.Settings.DriftPPM)/1_000_000, time.Millisecond)
}

// drop forgets a lease. The caller holds mu.
func (l *Lead) drop() {
	l.cfg.Logger.Info("lead: lost", "epoch", strconv.FormatUint(l.fence, 10))
	l.held, l.fence, l.first = lease.Lease{}, 0, 0
	l.notify()
}

// begin has all work stopped. The caller holds mu.
func (l *Lead) begin() {
	ctx, hurry := context.WithCancel(l.ctx)
	ended := make(chan struct{})
	l.stops.led, l.stops.halting, l.stops.hurry = false, ended, hurry
	hooks := l.stops.hooks
	l.notify()
	l.wg.Go(func() {
		defer hurry()
		var g sync.WaitGroup
		for _, h := range hooks {
			g.Go(func() { h.stop(ctx) })
		}
		g.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stops.halting = nil
		close(ended)
		l.notify()
	})
}

// halt has work stopped and keeps it so until done is called. The error is that of ctx, or ErrClosed.
func (l *Lead) halt(ctx context.Context) (done func(), err error) {
	l.mu.Lock()
	l.stops.quits++
	if l.stops.led && l.stops.halting == nil {
		l.begin()
	}
	halting := l.stops.halting
	l.mu.Unlock()
	done = sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stops.quits--
		l.notify()
	})
	if halting == nil {
		return done, nil
	}
	select {
	case <-halting:
	case <-ctx.Done():
		return done, ctx.Err()
	case <-l.ctx.Done():
		return done, ErrClosed
	}
	return done, nil
}

// leave ends the work of a node that closes: contexts have ended.
func (l *Lead) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stops.led && l.stops.halting == nil {
		l.begin()
	}
}
