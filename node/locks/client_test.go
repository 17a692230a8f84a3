package locks

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/ledger/lease"
	"selvage/node/runtime"
)

// counter is a table that a client in a bubble asks.
type counter struct {
	table *Table
	begun time.Time
	until time.Duration // of the term; 0: for ever
	mute  bool

	mu    sync.Mutex // of who asks
	asked int
}

func (c *counter) clock() time.Duration { return time.Since(c.begun) }

func (c *counter) ask(_ context.Context, a Ask) (Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if c.mute {
		return Answer{}, ErrNobodyLeads
	}
	term := Term{Fence: 1, Until: c.until}
	if c.until == 0 {
		term.Until = c.clock() + 9*time.Second
	}
	return c.table.Ask(c.clock(), term, n1, a), nil
}

func counted(t *testing.T, do func(t *testing.T, c *counter)) {
	synctest.Test(t, func(t *testing.T) { do(t, &counter{table: NewTable(lease.Defaults()), begun: time.Now()}) })
}

func silent(Answer, error) {}

// TestClientsTakeTurns: the next in the line has the lock soon after it is free.
func TestClientsTakeTurns(t *testing.T) {
	counted(t, func(t *testing.T, k *counter) {
		first, second := NewClient("a", claim(1), k.ask, k.clock), NewClient("a", claim(2), k.ask, k.clock)
		if err := first.Take(t.Context(), -1, silent); err != nil || first.Token() == 0 {
			t.Fatal(err)
		}
		if err := second.Take(t.Context(), time.Second, silent); !errors.Is(err, ErrNotTaken) {
			t.Errorf("in vain, and yet %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go first.Keep(ctx)
		taken := make(chan time.Duration)
		go func() {
			if err := second.Take(t.Context(), -1, silent); err != nil {
				t.Error(err)
			}
			taken <- k.clock()
		}()
		time.Sleep(time.Minute)
		if left := first.Term(); left.Run < 5*time.Second || left.Epoch != first.Token() {
			t.Errorf("it keeps %+v", left)
		}
		cancel()
		synctest.Wait()
		freed := k.clock()
		if err := first.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if late := <-taken - freed; late > nextEvery {
			t.Errorf("the next has it %v later", late)
		}
		if second.Token() <= first.Token() {
			t.Errorf("token %d after %d", second.Token(), first.Token())
		}
	})
}

// TestClientTellsByItself: a client that hears nothing more has the lock for as long as it was told, is to end before, and does not come back to it.
func TestClientTellsByItself(t *testing.T) {
	counted(t, func(t *testing.T, k *counter) {
		c := NewClient("a", claim(1), k.ask, k.clock)
		if err := c.Take(t.Context(), 0, silent); err != nil {
			t.Fatal(err)
		}
		told := lease.Defaults().Elsewhere(9 * time.Second)
		if term := c.Term(); term.Live != told || term.Run != told-2*time.Second {
			t.Errorf("%+v of %v", term, told)
		}
		k.mute = true
		changed := c.Changed()
		c.Keep(t.Context())
		if now := k.clock(); now < told || now > told+2*time.Second {
			t.Errorf("it asks until %v", now)
		}
		k.mute = false
		if _, err := c.put(t.Context(), Keep); err != nil || c.Term().Live != 0 || !c.isOver() {
			t.Errorf("it holds it again: %+v, %v", c.Term(), err)
		}
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
	})
}

// TestClientIsToldToEnd: when the leader grants no more the client is to end, and has the time that it was told before for that.
func TestClientIsToldToEnd(t *testing.T) {
	counted(t, func(t *testing.T, k *counter) {
		c := NewClient("a", claim(1), k.ask, k.clock)
		if err := c.Take(t.Context(), 0, silent); err != nil {
			t.Fatal(err)
		}
		k.until = 1
		c.Keep(t.Context())
		if term := c.Term(); k.clock() != keepEvery || term.Run != 0 || term.Live <= 0 {
			t.Errorf("at %v: %+v", k.clock(), term)
		}
	})
}

// TestTakesAgain: a client that was granted less time than it needs to begin, and then none, is not left in the line for ever with a
// lock that the next leader gives it and that nobody works under.
func TestTakesAgain(t *testing.T) {
	counted(t, func(t *testing.T, k *counter) {
		k.until = runtime.LeaseGrace / 2
		time.AfterFunc(2*runtime.LeaseGrace, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.table, k.until = NewTable(lease.Defaults()), 0
		})
		c := NewClient("a", claim(1), k.ask, k.clock)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Take(ctx, -1, silent); err != nil || c.Term().Run <= 0 || c.isOver() {
			t.Errorf("at %v: %v, %+v", k.clock(), err, c.Term())
		}
		if late := k.clock() - 2*runtime.LeaseGrace; late > waitEvery+nextEvery {
			t.Errorf("it has it %v later", late)
		}
	})
}

// TestTakeSaysWhy: who gives up knows whether anybody answered.
func TestTakeSaysWhy(t *testing.T) {
	counted(t, func(t *testing.T, k *counter) {
		k.mute = true
		c := NewClient("a", claim(1), k.ask, k.clock)
		if err := c.Take(t.Context(), 3*time.Second, silent); !errors.Is(err, ErrNobodyLeads) || k.clock() != 3*time.Second || k.asked != 4 {
			t.Errorf("%v after %v and %d tries", err, k.clock(), k.asked)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Take(ctx, -1, silent); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
