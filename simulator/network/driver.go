package network

import "time"

// event is a packet that arrives, or a pipe that has something to do.
type event struct {
	at  time.Duration
	seq uint64 // breaks ties
	p   *packet
	l   *line
}

// events is a heap of four children a node: flatter than one of two, and so faster.
type events []event

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

func (h *events) push(e event) {
	*h = append(*h, e)
	s := *h
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&s[up]) {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = e
}

func (h *events) pop() event {
	s := *h
	first, last := s[0], s[len(s)-1]
	s[len(s)-1] = event{} // holds on to no packet
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return first
	}
	i := 0
	for {
		least := 4*i + 1
		if least >= len(s) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(s)); c++ {
			if s[c].before(&s[least]) {
				least = c
			}
		}
		if !s[least].before(&last) {
			break
		}
		s[i] = s[least]
		i = least
	}
	s[i] = last
	return first
}

// drive is the one goroutine of the network: it wakes when a packet may have arrived.
func (n *Net) drive() {
	defer close(n.gone)
	for {
		select {
		case <-n.timer.C:
			n.tick()
		case <-n.quit:
			return
		}
	}
}

func (n *Net) tick() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.armed = never
	now := n.Now()
	n.advance(now)
	n.arm(now)
}

// arm sets the timer to the tick after the next event, unless it fires before anyway.
func (n *Net) arm(now time.Duration) {
	if len(n.events) == 0 {
		return
	}
	t := n.cfg.Tick
	at := (n.events[0].at + t - 1) / t * t
	if at < n.armed {
		n.armed = at
		n.timer.Reset(at - now)
	}
}

// advance has all events happen that are due, each at its own time.
func (n *Net) advance(now time.Duration) {
	for len(n.events) > 0 && n.events[0].at <= now {
		e := n.events.pop()
		switch {
		case e.p != nil:
			n.arrive(e.at, e.p)
		case e.at == e.l.wake: // else it was woken before, or is to be later
			e.l.wake = never
			e.l.settle(e.at, e.l.rnd)
			n.drain(e.l)
		}
	}
}

func (n *Net) schedule(e event) {
	n.seq++
	e.seq = n.seq
	n.events.push(e)
}
