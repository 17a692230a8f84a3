package mesh

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Uplink says how this node's traffic with other sites is held. Rates are bytes a second of what
// the streams carry, to which QUIC adds about 5%; 0 is no limit.
type Uplink struct {
	Held     bool
	Up, Down int64
	// BulkHeld has bulk wait, and control go on.
	BulkHeld bool
}

// Bulk goes in slices of what the limit allows in sliceTime, within the bounds of bytes.
const (
	sliceTime = 20 * time.Millisecond
	minSlice  = 1200
	maxSlice  = 64 << 10
	// An idle link saves up at most burstTime of its limit, so that a timer that comes late costs nothing.
	burstTime = 25 * time.Millisecond
	// Control runs up at most debtTime of the limit. If it needs more than the limit for longer,
	// the limit is exceeded rather than bulk starved for ever.
	debtTime = 5 * time.Second
	// shutTime is how long who takes sleeps at a time, if nothing wakes it, while all wait.
	shutTime = time.Hour
)

// bucket limits one direction. It is a token bucket that may be in debt: who finds it in credit
// takes what it needs, and who comes next waits until that is paid back.
type bucket struct {
	// turn is held by the one that waits for credit; the others stand in line for it, in order.
	turn  chan struct{}
	limit atomic.Int64 // bytes a second; 0: none
	shut  atomic.Bool  // nobody takes anything

	mu      sync.Mutex
	balance float64 // bytes
	ahead   float64 // bytes of control beyond what the limit allows it, since bulk last went
	over    bool    // control has run up all that it may: it goes unbooked until bulk went
	at      time.Time
	changed chan struct{} // closed when the limit changes
}

func newBucket(limit int64) *bucket {
	b := &bucket{turn: make(chan struct{}, 1), changed: make(chan struct{})}
	b.set(limit)
	return b
}

// hold has all who take wait, or go on.
func (b *bucket) hold(shut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut.Swap(shut) != shut {
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// set changes the limit in bytes a second, for those who wait already too. 0, or less, is none.
func (b *bucket) set(limit int64) {
	limit = max(limit, 0)
	b.mu.Lock()
	defer b.mu.Unlock()
	if limit == b.limit.Load() {
		return
	}
	b.refill()
	b.limit.Store(limit)
	b.balance = max(min(b.balance, 0), -float64(limit)*debtTime.Seconds())
	close(b.changed)
	b.changed = make(chan struct{})
}

// refill pays in what the limit allowed since the last time. The caller holds mu.
func (b *bucket) refill() {
	now, limit := time.Now(), float64(b.limit.Load())
	paid := limit * now.Sub(b.at).Seconds()
	b.balance = min(b.balance+paid, max(limit*burstTime.Seconds(), minSlice))
	b.ahead = max(b.ahead-paid, 0)
	b.at = now
}

// slice returns how many of n bytes bulk may take at once.
func (b *bucket) slice(n int) int {
	limit := b.limit.Load()
	if limit == 0 {
		return n
	}
	return min(n, max(minSlice, min(maxSlice, int(float64(limit)*sliceTime.Seconds()))))
}

// take waits for credit and spends n bytes. It ends early with net.ErrClosed or
// os.ErrDeadlineExceeded.
func (b *bucket) take(n int, closed, gone, deadline <-chan struct{}) error {
	if b.limit.Load() == 0 && !b.shut.Load() {
		return nil
	}
	select {
	case b.turn <- struct{}{}:
	case <-closed:
		return net.ErrClosed
	case <-gone:
		return net.ErrClosed
	case <-deadline:
		return os.ErrDeadlineExceeded
	}
	defer func() { <-b.turn }()
	for {
		wait, changed := b.spend(n)
		if wait <= 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-changed:
		case <-closed:
			t.Stop()
			return net.ErrClosed
		case <-gone:
			t.Stop()
			return net.ErrClosed
		case <-deadline:
			t.Stop()
			return os.ErrDeadlineExceeded
		}
		t.Stop()
	}
}

// spend takes n bytes if the bucket is in credit; if not, it returns how long that will last.
func (b *bucket) spend(n int) (wait time.Duration, changed <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut.Load() {
		return shutTime, b.changed
	}
	limit := b.limit.Load()
	if limit == 0 {
		return 0, nil
	}
	if b.refill(); b.balance < 0 {
		// A debt of bytes at a low limit may be longer than a Duration can tell: an hour is enough to look again.
		return max(time.Duration(min(-b.balance/float64(limit), 3600)*float64(time.Second)), time.Microsecond), b.changed
	}
	b.balance -= float64(n)
	b.ahead, b.over = 0, false
	return 0, nil
}

// charge books n bytes that went already.
func (b *bucket) charge(n int) { b.book(n, false) }

// debit takes n bytes of control without waiting, on credit if need be.
func (b *bucket) debit(n int) { b.book(n, true) }

func (b *bucket) book(n int, bounded bool) {
	if b.limit.Load() == 0 || n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	spent := float64(n)
	if bounded {
		if b.over {
			return
		}
		spent = min(spent, max(float64(b.limit.Load())*debtTime.Seconds()-b.ahead, 0))
		b.ahead += spent
		b.over = spent < float64(n)
	}
	b.balance -= spent
}
