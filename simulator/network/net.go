package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	// MaxSites bounds the sites of a network.
	MaxSites = 4096
	// MaxHosts bounds the hosts of a site.
	MaxHosts = 250
	// DefaultTick is the Tick of a Config that has none.
	DefaultTick = 50 * time.Microsecond

	maxFlying = 256 << 20 // bytes under way in the whole network
)

// Config is what a network works with.
type Config struct {
	// Rand is where all randomness comes from. The network draws from it when a site is added, and keeps it.
	Rand rand.Source
	// Observe is told what happens to packets, in order of time; nil is fine. It is called with the
	// network locked: it must be quick, and must not use the network.
	Observe func(Event)
	// Tick is the interval at which packets are handed over, as a network card moderates its interrupts:
	// a packet that arrives in between is there at the next tick. The network's own times are exact.
	// 0 is DefaultTick; 1 ns is as exact as can be, and slower.
	Tick time.Duration
}

// Net is a network of sites. It is safe for concurrent use.
type Net struct {
	cfg   Config
	start time.Time
	pool  pool
	timer *time.Timer
	quit  chan struct{}
	gone  chan struct{} // closed when the driver has ended

	mu     sync.Mutex
	closed bool
	sites  []*Site
	byName map[string]*Site
	places int32 // ids given so far
	cuts   map[pair]int

	events  events
	seq     uint64
	armed   time.Duration // when the timer fires; never, if it does not
	packets uint64        // sent so far
	flying  int           // bytes under way
}

// New starts a network, which counts its time from now. It is used in the synctest bubble that it was
// made in, if any.
func New(cfg Config) (*Net, error) {
	if cfg.Rand == nil {
		return nil, errors.New("start the network: it needs a source of randomness")
	}
	if cfg.Tick < 0 || cfg.Tick > time.Second {
		return nil, fmt.Errorf("start the network: tick is %v, want 0 (%v) to 1s", cfg.Tick, DefaultTick)
	}
	if cfg.Tick == 0 {
		cfg.Tick = DefaultTick
	}
	n := &Net{cfg: cfg, start: time.Now(), quit: make(chan struct{}), gone: make(chan struct{}), byName: map[string]*Site{},
		cuts: map[pair]int{}, armed: never}
	n.timer = time.NewTimer(time.Hour)
	n.timer.Stop()
	go n.drive()
	return n, nil
}

// Close closes all sockets, and waits for the driver. Packets under way are forgotten.
func (n *Net) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.timer.Stop()
	n.events = nil
	for _, s := range n.sites {
		for _, h := range s.hosts {
			h.closeSockets()
		}
	}
	n.mu.Unlock()
	close(n.quit)
	<-n.gone
	return nil
}

// Now returns the time since the network's start.
func (n *Net) Now() time.Duration { return time.Since(n.start) }

// Sites returns the sites in the order in which they were added.
func (n *Net) Sites() []*Site {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Site(nil), n.sites...)
}

// Site returns the site of a name, or nil.
func (n *Net) Site(name string) *Site {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byName[name]
}

// Flying returns the bytes on the wire that are under way: in queues and on links.
func (n *Net) Flying() int {
	defer n.view()()
	return n.flying
}

// lock locks the network, and does what is due, so that what the caller changes comes after it.
func (n *Net) lock() (now time.Duration, err error) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return 0, net.ErrClosed
	}
	now = n.Now()
	n.advance(now)
	return now, nil
}

// unlock has the driver wake for what is to come, and unlocks the network.
func (n *Net) unlock(now time.Duration) {
	n.arm(now)
	n.mu.Unlock()
}

// view is lock for who only looks, also when the network is closed. It returns what unlocks.
func (n *Net) view() (unlock func()) {
	n.mu.Lock()
	if !n.closed {
		now := n.Now()
		n.advance(now)
		n.arm(now)
	}
	return n.mu.Unlock
}
