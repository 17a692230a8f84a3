package native

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/ledger/lease"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
	"selvage/node"
	"selvage/node/home"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
	"selvage/simulator"
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

	full   atomic.Int32 // faults that have its disk full
	poison atomic.Int32 // faults that have it serve corrupt chunks
	forge  atomic.Int32 // faults that have it hand out entries with signatures that do not hold
	clock  clock

	stillness stillness

	seen *seen // its node as the story saw it last, which alone asks for it

	mu     sync.Mutex
	life   *life         // nil while it is down
	wanted bool          // it shall be up
	ended  chan struct{} // closed when nothing of the last life goes on any more
}

// life is one run of a machine's node, from its start to its stop or crash.
type life struct {
	machine *machine
	dead    chan struct{} // closed when it was killed: its disk is gone for it
	started chan struct{} // closed when node is set for good
	node    *node.Node    // nil if it could not start; guarded by the machine's mu until started is closed
	writes  atomic.Int32  // that take their time now
}

// end closes the node, when it has started.
func (l *life) end(ctx context.Context) error {
	<-l.started
	if l.node == nil {
		return nil
	}
	return l.node.Close(ctx)
}

// goes reports whether the life goes on, when the machine does.
func (l *life) goes() bool {
	for still := l.machine.stillness.still(); still != nil; still = l.machine.stillness.still() {
		select {
		case <-still:
		case <-l.dead:
			return false
		}
	}
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

// rest waits for d, or until the life ends.
func (l *life) rest(d time.Duration) {
	if d == 0 {
		return
	}
	l.writes.Add(1)
	defer func() {
		l.writes.Add(-1)
		l.machine.world.changed() // there may be more to see now
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.dead:
	}
}

// clock is a machine's clock. Its hands show the true time, and how far they are off; they can be put to another time. What
// it counts since the machine was made drifts as they do, and cannot; a suspend is counted.
type clock struct {
	mu    sync.Mutex
	made  time.Time
	since time.Time     // of the last change
	off   time.Duration // then
	slid  time.Duration // of off, what is drift
	drift float64       // seconds a second, since then
	wrong int           // faults that have it so
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	return t.Add(c.off + c.gained(t))
}

// uptime is what the clock has counted.
func (c *clock) uptime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	return t.Sub(c.made) + c.slid + c.gained(t)
}

// gained is what drift has made of the time since the last change. The caller holds mu.
func (c *clock) gained(t time.Time) time.Duration {
	return time.Duration(c.drift * float64(t.Sub(c.since)))
}

// set adds to how far the clock is off, and to its drift, until the end. It is right when the last of those that overlap has ended.
func (c *clock) set(jump time.Duration, drift float64) (end func()) {
	c.change(jump, drift, 1)
	begin := time.Now()
	return func() { c.change(-jump-time.Duration(drift*float64(time.Since(begin))), -drift, -1) }
}

func (c *clock) change(jump time.Duration, drift float64, wrong int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	g := c.gained(t)
	c.off, c.slid, c.since = c.off+g+jump, c.slid+g, t
	c.drift += drift
	if c.wrong += wrong; c.wrong == 0 {
		c.off, c.drift = 0, 0 // to the last bit
	}
}

var (
	_ simulator.Machine = (*machine)(nil)
	_ simulator.Writer  = (*machine)(nil)
)

func (m *machine) String() string { return simulator.Place(m) }

// Site implements simulator.Machine, as do Name, ID and Disk.
func (m *machine) Site() string     { return m.site }
func (m *machine) Name() string     { return m.name }
func (m *machine) ID() ident.NodeID { return m.id }

// Agent is nil also while the machine stands still, or waits for its disk: whoever asked its node would wait with it, and what
// the node answers would not be of one moment.
func (m *machine) Agent() simulator.Agent {
	n := m.awake()
	if n == nil {
		return nil
	}
	if !m.seen.of(n, m.world.settled) {
		m.seen = &seen{Node: n, at: time.Now(), settled: m.world.settled}
	}
	return m.seen
}

// awake returns the running node if it answers now; nil otherwise.
func (m *machine) awake() *node.Node {
	if n := m.node(); n != nil && m.stillness.still() == nil && !m.Busy() {
		return n
	}
	return nil
}

// Busy implements simulator.Writer.
func (m *machine) Busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.life != nil && m.life.writes.Load() > 0
}

func (m *machine) Disk() disk.FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fs
}

// node returns the running node; nil while there is none.
func (m *machine) node() *node.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life == nil {
		return nil
	}
	return m.life.node
}

// enrol makes the machine a node of the fleet with a ticket, as 'selvage join' does.
func (m *machine) enrol(ticket trust.Ticket) error {
	key := m.world.newKey()
	cred, err := ticket.Bind(key.Public().(ed25519.PublicKey), m.NodeName(), m.clock.now())
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
	card.Node, card.Name = m.id, m.NodeName()
	return home.Create(m.fs, card, key)
}

// NodeName is the node's name in the fleet: those of different sites shall not be alike.
func (m *machine) NodeName() string { return m.site + "-" + m.name }

// start runs the machine's node; if it runs already, it does nothing.
func (m *machine) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = true
	return m.run()
}

// run is start with mu held; it lets go of it while the node starts.
func (m *machine) run() error {
	if m.life != nil {
		return nil
	}
	l := &life{machine: m, dead: make(chan struct{}), started: make(chan struct{})}
	defer close(l.started)
	m.life = l
	fs, log := &machineFS{FS: m.fs, m: m, life: l}, &machineLog{Log: m.log, m: m, life: l}
	m.mu.Unlock()
	n, err := node.Start(node.Config{
		FS: fs, Log: log, Listen: []string{fmt.Sprintf("%s:%d", m.host.Addr(), port)},
		Drivers: map[string]runtime.Driver{runtime.TypeBundle: bundle.New(bundle.Config{FS: fs, Keeper: keeper{l}})},
		Sockets: m.host, Dial: m.world.mirrors.dial, Mirrors: m.world.mirrors.of(m), Now: m.clock.now, Uptime: m.clock.uptime, Platform: "sim/sim", Version: "sim",
		Logger: m.world.trace.Logger(m.String()), Changed: m.world.changed,
		Led:    func(t lease.Token) { m.world.leads(l, t) },
		Verify: m.world.verified.check, Shelf: &m.world.shelf, Lies: func() bool { return m.poison.Load() > 0 },
	})
	m.mu.Lock()
	if err != nil {
		if m.life == l {
			m.life = nil
		}
		return fmt.Errorf("start %s: %w", m, err)
	}
	l.node = n
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
	return l.end(ctx)
}

const stopGrace = 15 * time.Second

// kill ends the node as SIGKILL or a power cut does: from this moment on nothing of it reaches the
// network or the disk. After a power cut the disk is what had been synced, and some of the rest, also where the
// node was down already. It reports whether the machine was up, or about to be.
func (m *machine) kill(power bool, r *rand.Rand) bool {
	m.mu.Lock()
	was := m.wanted
	m.mu.Unlock()
	l := m.take()
	if power {
		defer m.cutPower(r)
	}
	if l == nil {
		return was
	}
	close(l.dead)
	down := m.host.Down()
	m.host.CloseSockets()
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := make(chan struct{})
	m.ended = ended
	m.world.wg.Go(func() {
		defer close(ended)
		defer down.Heal()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = l.end(ctx) // it is dead: what it finds wrong at its end nobody sees
	})
	return was
}

// cutPower leaves of the disk what a power cut does. Nothing of the machine's node goes on.
func (m *machine) cutPower(r *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fs = m.fs.Crash(r)
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
			m.world.trace.Note(m.String(), "cannot start", "%v", err)
			return
		}
		m.world.trace.Note(m.String(), "up", "")
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
