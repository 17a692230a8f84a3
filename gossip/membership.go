package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"

	"selvage/internal/ident"
)

// Linger is how long goroutines of memberlist may outlive Close: it does not cut short a probe of a
// member that does not answer, and stretches probes when it suspects its own node. They touch
// nothing any more. Who counts goroutines waits for so long.
const Linger = awareness*probeInterval + time.Second

const (
	probeInterval = 2 * time.Second
	awareness     = 4 // times probeInterval, at most, that an ailing node gives a probe
)

const (
	maxJoins  = 64  // nodes to join that wait for their turn; more are dropped
	maxEvents = 256 // serf events that wait to be drained
)

// MembershipConfig is what a Membership works with.
type MembershipConfig struct {
	Network Network
	Self    ident.NodeID
	// InSite reports whether a node is admitted to this node's site. It is called for every
	// packet and must not block.
	InSite func(ident.NodeID) bool
	Logger *slog.Logger // nil discards
}

// Member is a node of the site as its mates see it.
type Member struct {
	ID    ident.NodeID
	Alive bool // answers, as far as is known here; false after a crash or a leave
}

// Membership knows which nodes of the site are alive. All methods may be called at any time from
// any goroutine.
type Membership struct {
	cfg    MembershipConfig
	serf   *serf.Serf
	trans  *transport
	events chan serf.Event
	joins  chan ident.NodeID
	ctx    context.Context // ends at Close
	stop   context.CancelFunc
	wg     sync.WaitGroup
	leave  sync.WaitGroup // serf.Leave; memberlist panics if it is shut down meanwhile

	mu      sync.Mutex
	closed  bool
	changed chan struct{}
	members []Member // what Members has answered since the last change; nil if nothing
}

// NewMembership starts a site of one. Join makes it larger.
func NewMembership(cfg MembershipConfig) (*Membership, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Membership{
		cfg:     cfg,
		trans:   newTransport(cfg.Network, cfg.Self, cfg.InSite),
		events:  make(chan serf.Event, maxEvents),
		joins:   make(chan ident.NodeID, maxJoins),
		changed: make(chan struct{}),
	}
	c := m.serfConfig()
	m.trans.begin = func() { guardSerf(c.MemberlistConfig) }
	s, err := serf.Create(c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start membership: %w", err), m.trans.Shutdown())
	}
	m.serf = s
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.wg.Add(2)
	go m.drain()
	go m.join()
	return m, nil
}

// serfConfig tunes serf for links that are paid for: an idle member sends one small probe every two
// seconds and its whole state once a minute. Coordinates and name conflicts are left out, as mesh
// measures distances and a name is a key that no other node has.
func (m *Membership) serfConfig() *serf.Config {
	logger := slog.NewLogLogger(m.cfg.Logger.Handler(), slog.LevelDebug)
	c := serf.DefaultConfig()
	c.Init()
	c.NodeName = m.cfg.Self.String()
	c.Logger = logger
	c.EventCh = m.events
	c.DisableCoordinates = true
	c.EnableNameConflictResolution = false
	c.LeavePropagateDelay = time.Second
	c.BroadcastTimeout = 2 * time.Second
	c.MemberlistConfig = memberlist.DefaultLANConfig()
	c.MemberlistConfig.Logger = logger
	c.MemberlistConfig.Transport = m.trans
	c.MemberlistConfig.BindAddr = syntheticIP(m.cfg.Self).String()
	c.MemberlistConfig.Alive = aliveGuard{m.trans}
	c.MemberlistConfig.ProbeInterval = probeInterval
	c.MemberlistConfig.AwarenessMaxMultiplier = awareness
	c.MemberlistConfig.ProbeTimeout = time.Second
	c.MemberlistConfig.SuspicionMult = 3
	c.MemberlistConfig.RetransmitMult = 8 // costs nothing while nothing happens
	c.MemberlistConfig.GossipInterval = 500 * time.Millisecond
	c.MemberlistConfig.EnableCompression = false // probes are too small for it, and all else is rare
	c.MemberlistConfig.PushPullInterval = time.Minute
	return c
}

// aliveGuard ignores news of nodes that are not of the site, or not at the address of their name.
type aliveGuard struct{ trans *transport }

func (g aliveGuard) NotifyAlive(n *memberlist.Node) error {
	id, err := g.trans.find(memberlist.Address{Addr: n.Address(), Name: n.Name})
	if err == nil && id.String() != n.Name {
		err = errNotMate
	}
	return err
}

// drain takes serf's events, lest serf blocks, and tells of changes.
func (m *Membership) drain() {
	defer m.wg.Done()
	for {
		select {
		case e := <-m.events:
			if _, ok := e.(serf.MemberEvent); ok {
				m.notify()
			}
		case <-m.ctx.Done():
			return
		}
	}
}

func (m *Membership) notify() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.changed)
	m.changed = make(chan struct{})
	m.members = nil
}

// Changed returns a channel that is closed at the next change of Members.
func (m *Membership) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Join has this node meet others of its site, soon and once each: whoever can be reached tells of
// all it knows. Nodes of other sites are left out. It does not block.
func (m *Membership) Join(ids ...ident.NodeID) {
	for _, id := range ids {
		if id == m.cfg.Self {
			continue
		}
		select {
		case m.joins <- id:
		default:
			m.cfg.Logger.Debug("too many joins", "peer", id)
		}
	}
}

func (m *Membership) join() {
	defer m.wg.Done()
	for {
		select {
		case id := <-m.joins:
			if !m.trans.learn(id) {
				continue
			}
			if _, err := m.serf.Join([]string{joinName(id)}, true); err != nil {
				m.cfg.Logger.Debug("join failed", "peer", id, "err", err)
			}
		case <-m.ctx.Done():
			return
		}
	}
}

// Members returns this node and all that it has heard of within a day, by ID. The caller must not
// change the list.
func (m *Membership) Members() []Member {
	m.mu.Lock()
	known, changed := m.members, m.changed
	m.mu.Unlock()
	if known != nil {
		return known
	}
	ms := []Member{}
	for _, s := range m.serf.Members() {
		id, err := ident.Parse(s.Name)
		if err != nil {
			continue
		}
		ms = append(ms, Member{ID: id, Alive: s.Status == serf.StatusAlive})
	}
	slices.SortFunc(ms, func(a, b Member) int { return a.ID.Compare(b.ID) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if changed == m.changed { // else it is of before a change: serf tells of one after it was made
		m.members = ms
	}
	return ms
}

// Leave tells the others that this node goes on purpose, for as long as ctx lasts; nothing if that has ended. Close follows.
func (m *Membership) Leave(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("leave site: %w", err)
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errClosed
	}
	m.leave.Add(1)
	m.mu.Unlock()
	left := make(chan error, 1)
	go func() {
		defer m.leave.Done()
		left <- m.serf.Leave()
	}()
	select {
	case err := <-left:
		return err
	case <-ctx.Done():
		return fmt.Errorf("leave site: %w", ctx.Err())
	}
}

// Close ends the membership without a word to the others, and waits for its goroutines; see Linger
// for those of memberlist. A Leave that is under way is let finish, which takes up to 5 s.
func (m *Membership) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.leave.Wait()
	err := m.serf.Shutdown()
	m.stop()
	m.wg.Wait()
	return errors.Join(err, m.trans.Shutdown())
}
