package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"selvage/distribute"
	"selvage/distribute/store"
	"selvage/gossip"
	"selvage/internal/calendar"
	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/internal/lock"
	"selvage/ledger"
	"selvage/ledger/lease"
	"selvage/ledger/trust"
	"selvage/mesh"
	"selvage/node/api"
	"selvage/node/deploy"
	"selvage/node/home"
	"selvage/node/lead"
	"selvage/node/runtime"
)

// Config is what a node works with: everything that touches the outside is handed in. FS, Log,
// Listen and Drivers must be set.
type Config struct {
	FS      disk.FS    // the state directory, in which a node was enrolled (package home)
	Log     ledger.Log // the caller closes it after Close
	Listen  []string   // host:port, UDP
	Drivers map[string]runtime.Driver

	Sockets   mesh.Sockets   // nil: this machine's
	Discovery mesh.Discovery // nil: none
	Dial      DialFunc       // nil: this machine's; health probes and mirrors use it
	// Mirrors makes the mirrors that are asked last for blobs, which are to dial by what they are given: that is how the uplink's
	// limits hold for them too. nil: none.
	Mirrors func(dial DialFunc) []distribute.Mirror
	Now     func() time.Time // nil: time.Now
	// Uptime is a clock that never goes back, nor below 0, and counts suspend; where it counts from does not matter. The lease
	// rests on it. nil: this program's own, which does not count suspend on every system.
	Uptime func() time.Duration
	Lease  lease.Settings // of the site's lease; the zero value: lease.Defaults
	// Verify checks signatures of entries and credentials; nil is ed25519.Verify. Many nodes in one process can share what they find.
	Verify   trust.VerifyFunc
	Shelf    *ledger.Shelf // likewise for entries that they read; nil: none
	Resident func() int64  // bytes of memory that the process takes; nil: not known
	Platform string        // os/arch of the workloads; "": this program's
	Version  string
	Logger   *slog.Logger // nil discards
	// Led is called when the node's lease of its site has begun or was prolonged, before anybody acts under it; nil is fine. It
	// must not block.
	Led func(lease.Token)
	// Lies has the node hand out what it has of blobs without a look at it while it says so: for simulations. nil: never.
	Lies func() bool
	// Changed is called when what the node knows or does may have changed; nil is fine. It must not block.
	Changed func()
}

// DialFunc connects to an address, as net.Dialer.DialContext does.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func (c *Config) fill() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Uptime == nil {
		begun := time.Now()
		c.Uptime = func() time.Duration { return time.Since(begun) }
	}
	if c.Lease == (lease.Settings{}) {
		c.Lease = lease.Defaults()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Platform == "" {
		c.Platform = goruntime.GOOS + "/" + goruntime.GOARCH
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Mirrors == nil {
		c.Mirrors = func(DialFunc) []distribute.Mirror { return nil }
	}
	if c.Resident == nil {
		c.Resident = func() int64 { return 0 }
	}
}

// Node is one running agent. It is safe for concurrent use.
type Node struct {
	cfg        Config
	log        *slog.Logger
	home       *home.Home
	started    time.Time
	upSince    time.Time // started by cfg.Now
	reports    body[report]
	beaconBody body[beacon]
	termsBody  body[terms]

	ledger     *ledger.Ledger
	feeds      *feeds
	hold       *hold
	store      *store.Store
	mesh       *mesh.Host
	members    *gossip.Membership
	replicator *gossip.Replicator
	swarm      *distribute.Swarm
	mirrors    []distribute.Mirror
	deployer   *deploy.Deployer
	lead       *lead.Lead
	votes      *lead.Witnesses // for other sites
	turns      *turns
	locks      *lockDesk

	fleet    atomic.Int64                          // nodes in the ledger, when reconcile looked at them last
	pressing atomic.Pointer[map[store.Digest]bool] // blobs that were declared to be urgent, likewise

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	news   chan struct{} // holds one: this node's own state has changed
	// revoked holds one: a revocation has come.
	revoked chan struct{}
	leases  chan struct{} // holds one: a lease record of the site has come
	wanted  chan struct{} // holds one: operators want something else of the site

	admitting  lock.Mutex
	changing   lock.Mutex    // one change of the uplink at a time
	patchPause time.Duration // the constant, but in tests
	importing  lock.Mutex    // one file of releases is read at a time, for the disk that takes
	tidying    lock.Mutex    // room is made by one at a time
	pinning    lock.Mutex    // one change of the pins at a time
	scrubbing  lock.Mutex    // the store is scrubbed by one at a time
	patching   chan struct{} // holds one while a patch is made or applied; see patchAlone

	mu       sync.Mutex
	settings home.Settings
	windows  []calendar.Window // of the settings
	used     calendar.Used     // of the uplink, since it was first counted
	counted  int64             // bytes of the mesh's traffic that are in used
	saved    calendar.Used     // what was written down of used
	savedAt  time.Time
	local    map[ident.NodeID]bool      // connected peers; true for those of the site
	until    map[ident.NodeID]time.Time // until when the credential is good that a connected peer has shown
	alerts   []alert                    // newest last, at most maxAlerts
	decoded  latest[report]
	heard    latest[beacon]
	ways     map[store.Digest]way // one for each blob that was fetched since the node came up
	mending  map[store.Digest]bool
	added    map[store.Digest]time.Time // when blobs came by AddBlob and MakePatches, for addedFor at least
	pins     []string                   // never changed, only replaced
	faults   map[fault]bool             // likewise, at most one for each patch that a release lists
}

var _ api.Backend = (*Node)(nil)

// Start brings a node up. On an error nothing of it is left running.
func Start(cfg Config) (*Node, error) {
	cfg.fill()
	n := &Node{cfg: cfg, started: time.Now(), upSince: cfg.Now(), patchPause: patchPause, patching: make(chan struct{}, 1), news: make(chan struct{}, 1), revoked: make(chan struct{}, 1), leases: make(chan struct{}, 1), wanted: make(chan struct{}, 1), local: map[ident.NodeID]bool{}, until: map[ident.NodeID]time.Time{}, decoded: latest[report]{},
		heard: latest[beacon]{}, ways: map[store.Digest]way{}, added: map[store.Digest]time.Time{}, mending: map[store.Digest]bool{}, faults: map[fault]bool{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	for _, step := range []func() error{n.openState, n.openLedger, n.openMesh, n.openGossip, n.openLead, n.openTurns, n.openLocks, n.openWork} {
		if err := step(); err != nil {
			return nil, errors.Join(err, n.Close(context.Background()))
		}
	}
	n.mesh.OnPeer(n.onPeer)
	n.expel() // before anybody is dialled
	n.mesh.Learn(n.home.Bootstrap...)
	if n.hold.held() {
		n.wg.Go(n.listen)
	}
	n.wg.Go(n.guard)
	n.wg.Go(n.reconcile)
	n.wg.Go(n.report)
	n.wg.Go(n.announce)
	n.wg.Go(n.share)
	n.wg.Go(n.followLeases)
	n.wg.Go(n.renew)
	n.wg.Go(n.tidy)
	n.mendSpoilt()
	n.log.Info("node: up", "fleet", n.home.Fleet, "addresses", n.mesh.Addrs())
	return n, nil
}

func (n *Node) openState() (err error) {
	if n.home, err = home.Open(n.cfg.FS); err != nil {
		return err
	}
	n.log = n.cfg.Logger.With("node", n.home.Name, "site", n.home.Site)
	if n.settings, err = n.home.Settings(); err != nil {
		return err
	}
	if n.windows, err = calendar.ParseWindows(n.settings.Windows); err != nil {
		return fmt.Errorf("read the uplink's settings: %w", err)
	}
	n.used = n.home.LoadUsed()
	n.saved = n.used
	if n.pins, err = n.home.Pins(); err != nil {
		return err
	}
	if n.reports, err = newReports(); err != nil {
		return err
	}
	if n.beaconBody, err = newBeacons(); err != nil {
		return err
	}
	if n.termsBody, err = newTerms(); err != nil {
		return err
	}
	if n.store, err = store.Open(n.cfg.FS, "store"); err != nil {
		return err
	}
	n.store.OnDamage(n.mend)
	n.store.Unchecked(n.cfg.Lies)
	return nil
}

func (n *Node) openLedger() (err error) {
	n.ledger, err = ledger.Open(ledger.Config{Log: n.cfg.Log, Key: n.home.Key, Fleet: n.home.Fleet, Now: n.cfg.Now, Verify: n.cfg.Verify, Shelf: n.cfg.Shelf, Logger: n.log})
	if err != nil {
		return err
	}
	_, before := n.ledger.Node(n.home.Node)
	n.hold = newHold(before)
	n.feeds = &feeds{ledger: n.ledger, site: n.home.Site, hold: n.hold, down: n.ctx.Done()}
	if n.ledger.Chain() == nil && len(n.home.Charters) > 0 {
		if err := n.feeds.learn(n.home.Charters); err != nil {
			return fmt.Errorf("learn charters: %w", err)
		}
	}
	return n.checkMemory()
}

// checkMemory fails with home.ErrForgotten if the node has written into a ledger that is gone.
func (n *Node) checkMemory() error {
	begun, err := n.home.Begun()
	if err != nil {
		return err
	}
	if _, known := n.ledger.Node(n.home.Node); !known && begun {
		return home.ErrForgotten
	} else if known && !begun { // it stopped before it could note that
		return n.home.Begin()
	}
	return n.admitSelf()
}

// admitSelf puts this node's credential into the ledger, once the charter is known. One that the
// charter does not admit is a person's to mend: peers will say the same.
func (n *Node) admitSelf() error {
	n.admitting.Lock() // so that two who find it missing do not both write it
	defer n.admitting.Unlock()
	chain := n.ledger.Chain()
	if _, known := n.ledger.Node(n.home.Node); known || chain == nil {
		return nil
	}
	cred, err := trust.ParseCredential(n.home.Credential)
	if err == nil {
		_, err = chain.Latest().Admit(n.home.Fleet, cred, time.Time{})
	}
	if err != nil {
		n.alert(fmt.Sprintf("this node is not admitted: %v", err))
		return nil
	}
	if _, err := n.feeds.publish(ledger.KindAdmission, "", "", n.home.Credential); err != nil {
		return fmt.Errorf("publish this node's credential: %w", err)
	}
	return n.home.Begin()
}

func (n *Node) openMesh() (err error) {
	n.mesh, err = mesh.New(mesh.Config{
		Key: n.home.Key, Site: n.home.Site, Listen: n.cfg.Listen, Gate: &gate{n}, Bulk: []string{distribute.FetchProtocol},
		Uplink: n.uplinkShare(1), Sockets: n.cfg.Sockets, Book: n.home, Discovery: n.cfg.Discovery, Logger: n.log, Refused: n.refused,
	})
	return err
}

func (n *Node) openGossip() (err error) {
	n.members, err = gossip.NewMembership(gossip.MembershipConfig{Network: n.mesh, Self: n.home.Node, InSite: n.inSite, Logger: n.log})
	if err != nil {
		return err
	}
	n.replicator = gossip.NewReplicator(gossip.Config{Network: n.mesh, Log: n.feeds, Self: n.home.Node, Mates: n.mates, Misbehaved: n.misbehaved, Synced: n.hold.synced, Rest: n.rest, Logger: n.log})
	n.ledger.OnStored(func(r ledger.Record) {
		n.replicator.Push(gossip.Record(r), n.feeds.origin())
		n.urgent(r)
		n.leaseStored(r)
	})
	return nil
}

func (n *Node) openWork() error {
	n.mirrors = n.cfg.Mirrors(n.dialOutside)
	n.swarm = distribute.NewSwarm(distribute.Config{
		Network: n.mesh, Store: n.store, Self: n.home.Node, Site: n.home.Site, Providers: n.providers,
		Misbehaved: n.misbehaved, Failing: n.failing, Changed: n.poke, Logger: n.log,
		Mirrors: n.mirrors, MirrorFailed: n.mirrorFailed, Urgent: n.mayBeUrgent,
	})
	n.deployer = deploy.New(deploy.Config{
		FS: n.cfg.FS, Blobs: blobs{n}, Drivers: n.cfg.Drivers, Node: n.home.Name, Site: n.home.Site,
		Lead: tenure{n}, Turns: n.turns, Dial: n.cfg.Dial, Now: n.clock, Logger: n.log, Alert: n.alert, Changed: n.poke,
	})
	n.lead.OnStop(n.stopSingletons) // in time: a node is mute at first
	return nil
}

// Close takes the node down: workloads first, politely while ctx lasts.
func (n *Node) Close(ctx context.Context) error {
	var errs []error
	if n.lead != nil {
		errs = append(errs, n.lead.Close(ctx)) // while the leader's work can still be stopped, and the lease given up
	}
	n.cancel()
	if n.deployer != nil {
		errs = append(errs, n.deployer.Close(ctx))
	}
	if n.votes != nil {
		n.votes.Close()
	}
	if n.swarm != nil {
		n.swarm.Close()
	}
	if n.members != nil {
		leave, cancel := context.WithTimeout(ctx, time.Second)
		_ = n.members.Leave(leave) // mates find out by themselves if it cannot be told
		cancel()
		errs = append(errs, n.members.Close())
	}
	if n.replicator != nil {
		n.replicator.Close()
	}
	if n.mesh != nil {
		if n.members != nil { // it is up
			n.use()
			n.saveUsage(n.usage())
		}
		errs = append(errs, n.mesh.Close())
	}
	n.wg.Wait()
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}

// poke has the node look at itself again. It never blocks.
func (n *Node) poke() {
	n.cfg.Changed()
	select {
	case n.news <- struct{}{}:
	default: // it is about to look
	}
}

// onPeer carries the news of a peer to the rooms that talk to peers.
func (n *Node) onPeer(p mesh.Peer, up bool) {
	local := p.Site == n.home.Site
	n.mu.Lock()
	if up {
		n.local[p.ID] = local
	} else {
		delete(n.local, p.ID)
		delete(n.until, p.ID)
	}
	n.mu.Unlock()
	if !up {
		n.log.Info("node: peer gone", "peer", p.Name, "at", p.Site)
		n.replicator.PeerDown(p.ID)
		n.swarm.PeerDown(p.ID)
		return
	}
	n.log.Info("node: peer met", "peer", p.Name, "at", p.Site)
	if local {
		n.members.Join(p.ID)
	}
	n.replicator.PeerUp(p.ID, local)
	n.swarm.PeerUp(p.ID, p.Site)
}

// inSite reports whether a node is an admitted one of this site. Gossip asks while nothing else of it goes on, so
// this must not wait for the disk.
func (n *Node) inSite(id ident.NodeID) bool {
	n.mu.Lock()
	local := n.local[id]
	n.mu.Unlock()
	if local {
		return true
	}
	m, ok := n.ledger.Node(id)
	return ok && m.Site == n.home.Site && m.Quarantined == ""
}

// mates returns the live nodes of the site, this one included. One that was put out is none, though membership may
// not have missed it yet.
func (n *Node) mates() []ident.NodeID {
	var out []ident.NodeID
	for _, m := range n.members.Members() {
		if m.Alive && (m.ID == n.home.Node || n.inSite(m.ID)) {
			out = append(out, m.ID)
		}
	}
	return out
}
