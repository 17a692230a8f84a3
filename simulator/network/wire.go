package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// maxWire bounds what is under way on a Wire, in bytes; what comes then is dropped, as QueueFull.
const maxWire = 64 << 20

// Wire is one link by itself, for packets that somebody else carries to it and from it: whole packets
// go in, and come out when the link is through with them. It does what the same link of a Net does. It
// is safe for concurrent use, and works in real time, or in the bubble that it was made in.
type Wire struct {
	start time.Time
	out   func(packet []byte)
	rand  *rand.Rand
	kick  chan struct{} // holds one: the driver shall look again
	quit  chan struct{}
	gone  chan struct{}

	mu     sync.Mutex
	closed bool
	pipe   pipe
	pool   pool
	events events // packets that are to arrive
	seq    uint64
	flying int // bytes under way
}

// NewWire has a link go to work. Its times, of duty and budget, count from start. What comes out is
// given to out, by one goroutine, which may keep nothing of it.
func NewWire(l Link, start time.Time, chance rand.Source, out func(packet []byte)) (*Wire, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	if chance == nil || out == nil {
		return nil, errors.New("start a wire: it needs a source of randomness, and where packets go")
	}
	w := &Wire{start: start, out: out, rand: rand.New(chance), kick: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{}),
		pipe: pipe{link: l.whole()}}
	go w.drive()
	return w, nil
}

// Send offers a packet, all of whose bytes count, to the link, and keeps nothing of it.
func (w *Wire) Send(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	now := w.now()
	if w.flying+len(data) > maxWire {
		w.pipe.tally.Dropped[QueueFull]++
		return
	}
	p := w.pool.get(data)
	p.wire = len(data)
	w.flying += p.wire
	w.pipe.offer(now, p, w.rand)
	w.drain()
	w.wake()
}

// Set changes the link, as Site.SetUplink does.
func (w *Wire) Set(l Link) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("set a wire: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pipe.set(w.now(), l, w.rand)
	w.drain()
	w.wake()
	return nil
}

// Counters returns what went over the link so far.
func (w *Wire) Counters() Counters {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pipe.settle(w.now(), w.rand)
	w.drain()
	return w.pipe.tally
}

// Close ends the wire. What is under way is gone.
func (w *Wire) Close() {
	w.mu.Lock()
	was := w.closed
	w.closed = true
	w.mu.Unlock()
	if !was {
		close(w.quit)
	}
	<-w.gone
}

func (w *Wire) now() time.Duration { return time.Since(w.start) }

// wake has the driver look again. It never blocks.
func (w *Wire) wake() {
	select {
	case w.kick <- struct{}{}:
	default: // it is about to look
	}
}

// drain does what the link said.
func (w *Wire) drain() {
	for i, x := range w.pipe.out {
		w.pipe.out[i] = exit{}
		if x.cause != 0 {
			w.free(x.p)
			continue
		}
		w.schedule(x.at, x.p)
		if x.twice {
			twin := w.pool.get(x.p.data)
			twin.wire = x.p.wire
			w.flying += twin.wire
			w.schedule(x.at, twin)
		}
	}
	w.pipe.out = w.pipe.out[:0]
}

func (w *Wire) schedule(at time.Duration, p *packet) {
	w.seq++
	w.events.push(event{at: at, seq: w.seq, p: p})
}

func (w *Wire) free(p *packet) {
	w.flying -= p.wire
	w.pool.put(p)
}

// drive hands packets over when it is their time.
func (w *Wire) drive() {
	defer close(w.gone)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p, next := w.due()
		if p != nil {
			w.out(p.data)
			w.mu.Lock()
			w.free(p)
			w.mu.Unlock()
			continue
		}
		timer.Reset(min(next, time.Hour))
		select {
		case <-timer.C:
		case <-w.kick:
		case <-w.quit:
			return
		}
	}
}

// due returns a packet whose time has come, or else how long it is until there may be one.
func (w *Wire) due() (p *packet, next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, never
	}
	now := w.now()
	w.pipe.settle(now, w.rand)
	w.drain()
	next = w.pipe.next()
	if len(w.events) > 0 {
		if w.events[0].at <= now {
			return w.events.pop().p, 0
		}
		next = min(next, w.events[0].at)
	}
	if next == never {
		return nil, never
	}
	return nil, next - now
}
