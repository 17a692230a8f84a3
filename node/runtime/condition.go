package runtime

import (
	"sync"
	"time"
)

const maxLastError = 2 << 10 // bytes

// Condition is a Status that can be watched: what drivers build Instance's Status and Changed
// from. The zero value has no phase yet. All methods may be called from several goroutines.
type Condition struct {
	mu      sync.Mutex
	status  Status
	changed chan struct{} // made when first asked for, closed and dropped at each change
}

// Status returns the state as it is now.
func (c *Condition) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Changed returns a channel that is closed at the next change.
func (c *Condition) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// Enter moves to a phase, and tells who waits.
func (c *Condition) Enter(p Phase) {
	c.update(func(s *Status) { s.Phase = p })
}

// Fail moves to a phase because of what reason says.
func (c *Condition) Fail(p Phase, reason string) {
	c.update(func(s *Status) { s.Phase, s.LastError = p, reason })
}

// Note records an error that changes no phase.
func (c *Condition) Note(reason string) {
	c.update(func(s *Status) { s.LastError = reason })
}

// Restarted enters PhaseRunning once more, and counts it.
func (c *Condition) Restarted() {
	c.update(func(s *Status) { s.Phase = PhaseRunning; s.Restarts++ })
}

func (c *Condition) update(change func(*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.status
	change(&c.status)
	if len(c.status.LastError) > maxLastError {
		c.status.LastError = c.status.LastError[:maxLastError]
	}
	if c.status == before {
		return
	}
	if c.status.Phase != before.Phase {
		c.status.Since = time.Now()
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}
