package gossip

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"selvage/internal/ident"
)

// Stream protocols of the replicator.
const (
	syncProtocol = "/selvage/sync/1"
	pushProtocol = "/selvage/push/1"
)

const (
	defaultLocalPace  = 30 * time.Second
	defaultUplinkPace = 60 * time.Second
	maxRemembered     = 4096 // peers whose misdeeds are remembered
)

// Config is what a Replicator works with.
type Config struct {
	Network Network
	Log     Log
	Self    ident.NodeID
	// Mates returns the live members of this node's site, with or without itself. It is called
	// often, from Push too, and must not block.
	Mates func() []ident.NodeID
	// Misbehaved is told of a peer that breaks the protocol. It may be nil.
	Misbehaved func(peer ident.NodeID, reason string)
	// Synced is told of a session with a peer that ran to its end and left nothing out: this node has, or has seen, all that the
	// peer had when it began. local says that the peer is of this node's site. It must not block. It may be nil.
	Synced func(peer ident.NodeID, local bool)
	// Rest returns how long a link across the edge of the site rests after it has carried what there was, before it carries more: so
	// that what pours in goes together, and what both ends have got from others crosses once. What comes alone goes
	// at once. It must not block. nil, or 0: not at all.
	Rest func() time.Duration
	// LocalPace and UplinkPace are the times between two sessions that the node initiates with any peer
	// of this site and of others; 0 is 30 s and 60 s.
	LocalPace, UplinkPace time.Duration
	Logger                *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	if c.LocalPace <= 0 {
		c.LocalPace = defaultLocalPace
	}
	if c.UplinkPace <= 0 {
		c.UplinkPace = defaultUplinkPace
	}
	if c.Mates == nil {
		c.Mates = func() []ident.NodeID { return nil }
	}
	if c.Misbehaved == nil {
		c.Misbehaved = func(ident.NodeID, string) {}
	}
	if c.Synced == nil {
		c.Synced = func(ident.NodeID, bool) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Replicator keeps a Log equal to those of its peers. All methods may be called at any time from
// any goroutine.
type Replicator struct {
	cfg   Config
	codec codec
	ctx   context.Context // ends at Close
	stop  context.CancelFunc
	wake  chan struct{} // the schedule changed
	wg    sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	changed   chan struct{} // closed at the next PeerUp
	peers     map[ident.NodeID]*peer
	offenders map[ident.NodeID]*offender
	flood     flood
	serving   int       // sessions across the edge, while links rest
	met       met       // so far
	begun     time.Time // when the first peer came up
}

// NewReplicator serves both protocols on the network and waits for PeerUp. It panics if a frame
// codec cannot be made, which no input decides.
func NewReplicator(cfg Config) *Replicator {
	c, err := newCodec()
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Replicator{
		cfg: cfg.withDefaults(), codec: c, ctx: ctx, stop: stop,
		wake:      make(chan struct{}, 1),
		changed:   make(chan struct{}),
		peers:     make(map[ident.NodeID]*peer),
		offenders: make(map[ident.NodeID]*offender),
	}
	r.cfg.Network.Handle(syncProtocol, func(from ident.NodeID, conn net.Conn) {
		r.serve(from, conn, syncProtocol, sessionLimit, func(ctx context.Context, p *peer, l *link, _ int) { r.respond(ctx, p, l) })
	})
	r.cfg.Network.Handle(pushProtocol, func(from ident.NodeID, conn net.Conn) {
		r.serve(from, conn, pushProtocol, pushLimit, r.receivePushes)
	})
	r.start(r.schedule)
	return r
}

// start runs f in a goroutine that Close waits for, unless the replicator is closed.
func (r *Replicator) start(f func()) {
	if !r.enter() {
		return
	}
	go func() {
		defer r.wg.Done()
		f()
	}()
}

// enter makes Close wait for r.wg.Done. It reports whether the replicator is still open.
func (r *Replicator) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.wg.Add(1)
	return true
}

// PeerUp starts replication with a peer. local says that it is of this node's site.
func (r *Replicator) PeerUp(id ident.NodeID, local bool) {
	if p := r.addPeer(id, local); p != nil {
		r.start(func() { r.push(p) })
		r.rechoose(false)
	}
	r.poke()
}

// addPeer returns the new peer; nil if there is one already, which then has a session soon.
func (r *Replicator) addPeer(id ident.NodeID, local bool) *peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || id == r.cfg.Self {
		return nil
	}
	if old := r.peers[id]; old != nil {
		if old.local == local {
			old.next, old.whole, old.fresh = time.Now(), true, false
			return nil
		}
		old.stop()
	}
	if r.begun.IsZero() {
		r.begun = time.Now()
	}
	p := newPeer(r.ctx, id, local)
	p.whole = !r.another(local)
	p.fresh, p.before = p.whole, r.met
	r.peers[id] = p
	close(r.changed)
	r.changed = make(chan struct{})
	return p
}

// PeerDown ends replication with a peer and cuts its streams.
func (r *Replicator) PeerDown(id ident.NodeID) {
	r.mu.Lock()
	p := r.peers[id]
	if p != nil {
		p.stop()
		delete(r.peers, id)
	}
	r.mu.Unlock()
	if p != nil {
		r.rechoose(true)
	}
}

// MatesChanged has the links across the edge chosen anew.
func (r *Replicator) MatesChanged() { r.rechoose(true) }

// Kick has a session with every peer run soon.
func (r *Replicator) Kick() {
	r.mu.Lock()
	for _, p := range r.peers {
		p.next, p.whole, p.fresh = time.Now(), true, false
	}
	r.mu.Unlock()
	r.poke()
}

// Close cuts all streams and waits for all goroutines of the replicator.
func (r *Replicator) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.wg.Wait()
}

// poke has the schedule looked at again.
func (r *Replicator) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
