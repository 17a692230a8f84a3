package runtimetest

import (
	"sync"
	"time"

	"selvage/node/runtime"
)

// The margins of a Lease: those of one that lasts 10 s.
const (
	StopMargin = 3 * time.Second
	KillMargin = time.Second
)

// Lease is a lease that a test gives and takes.
type Lease struct {
	Epoch uint64

	mu      sync.Mutex
	end     time.Time
	changed chan struct{}
}

var _ runtime.Lease = (*Lease)(nil)

// NewLease returns one that ends after a while, with the epoch 71.
func NewLease(length time.Duration) *Lease {
	return &Lease{Epoch: 71, end: time.Now().Add(length), changed: make(chan struct{})}
}

// Left is how long it lasts yet.
func (l *Lease) Left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.end)
}

// Term implements runtime.Lease.
func (l *Lease) Term() runtime.Term {
	left := l.Left()
	if left <= 0 {
		return runtime.Term{}
	}
	return runtime.Term{Epoch: l.Epoch, Run: left - StopMargin, Live: left - KillMargin}
}

// Changed implements runtime.Lease.
func (l *Lease) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Renew has the lease end that much later than now, and wakes nobody.
func (l *Lease) Renew(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = time.Now().Add(d)
}

// End has the lease end that much later than now, and wakes.
func (l *Lease) End(d time.Duration) {
	l.Renew(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}
