package native

import (
	"slices"
	"sync"
	"time"

	"selvage/simulator/network"
	"selvage/simulator/scenario"
)

// stillness is what keeps a machine from its network and disk.
type stillness struct {
	mu    sync.Mutex
	holds []*network.Hold // faults that have it stand still
	going chan struct{}   // closed when it goes on; nil while it does
	syncs []time.Duration // of the faults that have its disk slow
	sleep int             // how many of the holds are suspends
	awake chan struct{}   // closed when it wakes; nil while it does not sleep
}

// still is closed when the machine goes on; nil while it does.
func (s *stillness) still() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.going
}

// hold has the machine stand still: nothing of it reaches the network or the disk until it goes on.
// Its goroutines run on, and its timers with them, for there is one scheduler for all machines: what they
// decide meanwhile they decide with the time as it is, and it takes effect when the machine goes on.
func (s *stillness) hold(k *network.Hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds = append(s.holds, k); s.going == nil {
		s.going = make(chan struct{})
	}
}

// release ends one hold; the machine goes on with the last.
func (s *stillness) release(k *network.Hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds = slices.DeleteFunc(s.holds, func(o *network.Hold) bool { return o == k }); len(s.holds) == 0 {
		s.goOn()
	}
	k.Release()
}

// wake ends all holds.
func (s *stillness) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.holds {
		k.Release()
	}
	s.holds, s.syncs, s.sleep = nil, nil, 0
	s.wakeUp()
	s.goOn()
}

func (s *stillness) goOn() {
	if s.going != nil {
		close(s.going)
		s.going = nil
	}
}

// slow has the disk take its time; by the longest, where several faults say how long.
func (s *stillness) slow(sync time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncs = append(s.syncs, sync)
}

func (s *stillness) hasten(sync time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.syncs, sync); i >= 0 {
		s.syncs = slices.Delete(s.syncs, i, i+1)
	}
}

// syncTime is how long it takes now to make anything durable.
func (s *stillness) syncTime() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.syncs) == 0 {
		return 0
	}
	return slices.Max(s.syncs)
}

// asleep reports whether the machine is suspended: nothing on it goes on, its node or not.
func (m *machine) asleep() bool {
	m.stillness.mu.Lock()
	defer m.stillness.mu.Unlock()
	return m.stillness.sleep > 0
}

// sleeps counts a suspend that begins (1) or ends (-1).
func (s *stillness) sleeps(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sleep = max(0, s.sleep+by); s.sleep == 0 {
		s.wakeUp()
	} else if s.awake == nil {
		s.awake = make(chan struct{})
	}
}

func (s *stillness) wakeUp() {
	if s.awake != nil {
		close(s.awake)
		s.awake = nil
	}
}

// rest waits while the machine sleeps. What is no part of its node goes on when it wakes, though the node be stopped.
func (s *stillness) rest() {
	for {
		s.mu.Lock()
		awake := s.awake
		s.mu.Unlock()
		if awake == nil {
			return
		}
		<-awake
	}
}

// standStill pauses the machines of a place, or suspends them.
func (w *world) standStill(f scenario.Fault) func() error {
	var ends []func()
	for _, m := range w.placed(f.On) {
		k := m.host.Hold(f.Kind == scenario.Suspend)
		if f.Kind == scenario.Suspend {
			m.stillness.sleeps(1)
			ends = append(ends, func() { m.stillness.sleeps(-1) })
		}
		m.stillness.hold(k)
		ends = append(ends, func() { m.stillness.release(k) })
	}
	return func() error {
		for _, end := range ends {
			end()
		}
		return nil
	}
}

// slowDisks has the disks of a place take their time.
func (w *world) slowDisks(f scenario.Fault) func() error {
	machines := w.placed(f.On)
	for _, m := range machines {
		m.stillness.slow(f.Sync)
	}
	return func() error {
		for _, m := range machines {
			m.stillness.hasten(f.Sync)
		}
		return nil
	}
}
