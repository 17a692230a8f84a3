package simulator

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
	"selvage/node"
	"selvage/node/home"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
	"selvage/simulator/network"
)

// port is where every node listens; its host is its own.
const port = 4747

// machine is one machine of a story: what it keeps while its node is down, and its node while it is up.
type machine struct {
	world *world
	site  string
	name  string // of the node, in its site
	host  *network.Host
	id    ident.NodeID

	fs  *memdisk.FS
	log *memlog.Log

	backups map[time.Duration]backup // by the time when they were made

	seen map[string]seenFile // files that were found right, by name

	full   atomic.Int32 // faults that have its disk full
	poison atomic.Int32 // faults that have it serve corrupt chunks
	clock  clock

	mu     sync.Mutex
	life   *life         // nil while it is down
	wanted bool          // it shall be up
	ended  chan struct{} // closed when nothing of the last life goes on any more
}

// life is one run of a machine's node, from its start to its stop or crash.
type life struct {
	*node.Node
	dead *atomic.Bool // its disk is gone for it: it was killed
}

// clock is a machine's wall clock: the true time, and how far it is off.
type clock struct {
	mu    sync.Mutex
	since time.Time     // of the last change
	off   time.Duration // then
	drift float64       // seconds a second, since then
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	return t.Add(c.offset(t))
}

// offset returns how far the clock is off. The caller holds mu.
func (c *clock) offset(t time.Time) time.Duration {
	return c.off + time.Duration(c.drift*float64(t.Sub(c.since)))
}

// set adds to how far the clock is off, and to its drift.
func (c *clock) set(jump time.Duration, drift float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	c.off, c.since = c.offset(t)+jump, t
	c.drift += drift
}

// right sets the clock right.
func (c *clock) right() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off, c.drift = 0, 0
}

func (m *machine) String() string { return m.site + "/" + m.name }

// node returns the running node; nil while there is none.
func (m *machine) node() *node.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life == nil {
		return nil
	}
	return m.life.Node
}

// enrol makes the machine a node of the fleet with a ticket, as 'selvage join' does.
func (m *machine) enrol(ticket trust.Ticket) error {
	key := m.world.newKey()
	cred, err := ticket.Bind(key.Public().(ed25519.PublicKey), m.nodeName(), m.clock.now())
	if err != nil {
		return err
	}
	inv, err := ticket.Peek()
	if err != nil {
		return err
	}
	return m.create(key, home.Card{Site: inv.Site, Fleet: inv.Fleet, Credential: cred.Marshal(), Bootstrap: inv.Bootstrap})
}

// create writes the machine's card.
func (m *machine) create(key ed25519.PrivateKey, card home.Card) error {
	m.id = ident.FromPrivateKey(key)
	card.Node, card.Name = m.id, m.nodeName()
	return home.Create(m.fs, card, key)
}

// nodeName is the node's name in the fleet: those of different sites shall not be alike.
func (m *machine) nodeName() string { return m.site + "-" + m.name }

// start runs the machine's node; if it runs already, it does nothing.
func (m *machine) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = true
	return m.run()
}

// run is start with mu held.
func (m *machine) run() error {
	if m.life != nil {
		return nil
	}
	l := &life{dead: new(atomic.Bool)}
	fs := &machineFS{FS: m.fs, m: m, dead: l.dead}
	n, err := node.Start(node.Config{
		FS: fs, Log: &machineLog{Log: m.log, m: m, dead: l.dead}, Listen: []string{fmt.Sprintf("%s:%d", m.host.Addr(), port)},
		Drivers: map[string]runtime.Driver{runtime.TypeBundle: bundle.New(bundle.Config{FS: fs})},
		Sockets: m.host, Dial: noDial, Now: m.clock.now, Platform: "sim/sim", Version: "sim",
		Logger: m.world.trace.logger(m), Changed: m.world.changed,
		Verify: m.world.verified.check,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", m, err)
	}
	l.Node = n
	m.life = l
	return nil
}

// stop takes the node down politely, for good.
func (m *machine) stop() error {
	l := m.take()
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	return l.Close(ctx)
}

const stopGrace = 15 * time.Second

// kill ends the node as SIGKILL or a power cut does: from this moment on nothing of it reaches the
// network or the disk. After a power cut the disk is what had been synced, and some of the rest. It
// reports whether the machine was up, or about to be.
func (m *machine) kill(power bool, r *rand.Rand) bool {
	m.mu.Lock()
	was := m.wanted
	m.mu.Unlock()
	l := m.take()
	if l == nil {
		return was
	}
	l.dead.Store(true)
	down := m.host.Down()
	m.host.CloseSockets()
	m.mu.Lock()
	defer m.mu.Unlock()
	if power {
		m.fs = m.fs.Crash(r)
	}
	ended := make(chan struct{})
	m.ended = ended
	m.world.wg.Go(func() {
		defer close(ended)
		defer down.Heal()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = l.Close(ctx) // it is dead: what it finds wrong at its end nobody sees
	})
	return was
}

// reboot has the node started again as soon as nothing of its last life goes on, unless the machine
// is killed before that.
func (m *machine) reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = true
	ended := m.ended
	m.world.wg.Go(func() {
		if ended != nil {
			<-ended
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.wanted || m.ended != ended {
			return
		}
		if err := m.run(); err != nil {
			m.world.trace.add(m.String(), "cannot start", "%v", err)
			return
		}
		m.world.trace.add(m.String(), "up", "")
	})
}

// take removes the life from the machine.
func (m *machine) take() *life {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.life
	m.life, m.wanted = nil, false
	return l
}

var errDead = errors.New("the machine is off")

// machineFS is a machine's disk as its node sees it, with the faults that it has.
type machineFS struct {
	disk.FS
	m    *machine
	dead *atomic.Bool
}
