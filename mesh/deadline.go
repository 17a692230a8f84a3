package mesh

import (
	"sync"
	"time"
)

// deadline closes a channel when a time has come, as the pipes of package net do, so that what
// waits for the uplink's tokens can be woken, also by a deadline that is set later.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{}
}

func newDeadline() *deadline { return &deadline{passed: make(chan struct{})} }

// set moves the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halt()
	over := isClosed(d.passed)
	wait := time.Until(t)
	switch {
	case t.IsZero() || wait > 0:
		if over {
			d.passed = make(chan struct{})
		}
		if !t.IsZero() {
			passed := d.passed
			d.timer = time.AfterFunc(wait, func() { close(passed) })
		}
	case !over:
		close(d.passed)
	}
}

// done returns the channel that is closed once the deadline has passed.
func (d *deadline) done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// stop releases the timer. The deadline may be set again.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halt()
}

// halt ends the timer, and forgets it: a timer that was stopped here never closes the channel, so
// nobody may wait for that. The caller holds mu.
func (d *deadline) halt() {
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // it has fired: let it have closed the channel
	}
	d.timer = nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
