package mesh

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Uplink says how this node's traffic with other sites is held. Rates are bytes a second; 0 is no limit.
type Uplink struct {
	Held     bool
	Up, Down int64
}

// A bulk stream waits for slices of at most sliceTime at the limit, and of sliceBytes.
const (
	sliceTime  = 100 * time.Millisecond
	sliceBytes = 16 << 10
	minSlice   = 1200
)

// bucket limits one direction.
type bucket struct {
	mu    sync.Mutex
	limit *rate.Limiter
	slice int
}

func newBucket() *bucket {
	b := &bucket{limit: rate.NewLimiter(rate.Inf, sliceBytes)}
	b.set(0)
	return b
}

// set changes the limit in bytes a second, for those who wait already too.
func (b *bucket) set(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes == 0 {
		b.slice = 0
		b.limit.SetLimit(rate.Inf)
		return
	}
	b.slice = max(minSlice, min(sliceBytes, int(float64(bytes)*sliceTime.Seconds())))
	b.limit.SetBurst(max(b.slice, sliceBytes))
	b.limit.SetLimit(rate.Limit(bytes))
}

// most returns how many of n bytes bulk may wait for at once.
func (b *bucket) most(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slice == 0 {
		return n
	}
	return min(n, b.slice)
}

// wait returns when n bytes, at most as many as most allows, may go.
func (b *bucket) wait(ctx context.Context, n int) error { return b.limit.WaitN(ctx, n) }

// debit takes n bytes without waiting, on credit if need be.
func (b *bucket) debit(n int) {
	for n > 0 {
		part := min(n, sliceBytes)
		b.limit.ReserveN(time.Now(), part)
		n -= part
	}
}
