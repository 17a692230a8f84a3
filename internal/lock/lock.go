// Package lock has a mutex for what is held across input and output.
package lock

import "sync"

// Mutex is a sync.Mutex that waits with a sync.Cond. A goroutine that waits for a sync.Mutex is not
// durably blocked as testing/synctest has it, so virtual time would stand still for ever while the holder waits
// for a disk that takes its time. The zero value is unlocked. It must not be copied. It costs about
// twice what a sync.Mutex does; use that for what is never held across a wait.
type Mutex struct {
	mu   sync.Mutex
	free sync.Cond // on mu
	held bool
}

// Lock waits until nobody holds the mutex, and holds it.
func (m *Mutex) Lock() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free.L = &m.mu
	for m.held {
		m.free.Wait()
	}
	m.held = true
}

// Unlock lets go of the mutex. It panics if nobody holds it.
func (m *Mutex) Unlock() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.held {
		panic("lock: unlock of an unlocked mutex")
	}
	m.held = false
	m.free.Signal()
}
