package mesh

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/config"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"

	"selvage/internal/ident"
)

var (
	// ErrAddrInUse: another program listens on the address.
	ErrAddrInUse = errors.New("address is in use by another program")
	// ErrUnknown: no address of the node is known, or it could not be reached there.
	ErrUnknown = errors.New("node cannot be reached")
	// ErrHeld: the node is at another site, and the uplink is held.
	ErrHeld = errors.New("the uplink is held")
)

// HelloTimeout bounds the handshake on a new connection.
const HelloTimeout = 10 * time.Second

// Config is what a host works with. Key, Site, Listen and Gate must be set.
type Config struct {
	Key    ed25519.PrivateKey
	Site   string
	Listen []string // host:port, UDP; port 0 is any free one, no host is every address of the machine
	Gate   Gate
	Bulk   []string // protocols that wait for the uplink's tokens
	Uplink Uplink
	// Sockets is nil for those of this machine.
	Sockets   Sockets
	Book      Book      // nil: addresses are forgotten at the end
	Discovery Discovery // nil: none
	Logger    *slog.Logger
	// Refused is called when a peer was not let in or did not let us in; nil is fine. It must not block.
	Refused func(remote ident.NodeID, r *Refusal)
}

func (c *Config) check() error {
	if len(c.Key) != ed25519.PrivateKeySize || c.Site == "" || c.Gate == nil || len(c.Listen) == 0 {
		return errors.New("start the mesh: it needs a key, a site, a gate and an address to listen on")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Refused == nil {
		c.Refused = func(ident.NodeID, *Refusal) {}
	}
	return nil
}

// Host is one node's end of the mesh. It is safe for concurrent use.
type Host struct {
	cfg         Config
	log         *slog.Logger
	self        ident.NodeID
	codec       codec
	incarnation uint64
	store       io.Closer
	swarm       *swarm.Swarm
	quic        *quicreuse.ConnManager
	up, down    *bucket

	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	poke      chan struct{} // holds one: choose again
	news      chan struct{} // holds one: there is something to tell
	closeOnce sync.Once
	closeErr  error

	mu         sync.Mutex
	closed     bool
	handlers   map[string]func(ident.NodeID, net.Conn)
	links      map[network.Conn]*link
	members    map[ident.NodeID]*member
	known      map[ident.NodeID]*known
	ranked     []*known                   // those in known, by compareRank
	learned    uint64                     // grows when anything in known may have changed that the book has
	dialling   int                        // dials under way
	farDial    time.Time                  // when a node of another site was last dialled by choice
	blindDial  time.Time                  // likewise, one of whom not even the site was known
	candidates []candidate                // of the last choice, for the next to write over
	trimmed    time.Time                  // when a connection was last closed as there were too many
	banned     map[ident.NodeID]time.Time // until when; only nodes that were admitted get here
	shunned    map[ident.NodeID]bool      // see Shun; replaced as a whole
	retired    bool                       // see Retire
	listeners  []*listener
	changed    []ident.NodeID // nodes that listeners may not know the newest of, each once
	uplink     Uplink
	past       Traffic // of links that are gone
	outside    map[*outsider]bool
}

// New starts a host; it listens when New returns. ErrAddrInUse is in the error's chain if it cannot.
func New(cfg Config) (*Host, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, log: cfg.Logger, self: ident.FromPrivateKey(cfg.Key), incarnation: rand.Uint64(),
		up: newBucket(cfg.Uplink.Up), down: newBucket(cfg.Uplink.Down), poke: make(chan struct{}, 1), news: make(chan struct{}, 1),
		handlers: map[string]func(ident.NodeID, net.Conn){}, links: map[network.Conn]*link{}, members: map[ident.NodeID]*member{},
		known: map[ident.NodeID]*known{}, banned: map[ident.NodeID]time.Time{}, uplink: cfg.Uplink, outside: map[*outsider]bool{}}
	h.up.hold(cfg.Uplink.BulkHeld)
	h.down.hold(cfg.Uplink.BulkHeld)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if err := h.start(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) start() (err error) {
	if h.codec, err = newCodec(); err != nil {
		return err
	}
	if err := h.build(); err != nil {
		return fmt.Errorf("start the mesh: %w", err)
	}
	h.Handle(peersProtocol, h.servePeers)
	h.swarm.Notify(&network.NotifyBundle{ConnectedF: h.connected, DisconnectedF: h.disconnected})
	h.swarm.SetStreamHandler(h.accept)
	if err := h.listen(); err != nil {
		return err
	}
	h.loadBook()
	h.wg.Go(h.dispatch)
	h.wg.Go(h.connect)
	h.wg.Go(h.keepBook)
	if h.cfg.Discovery != nil {
		h.wg.Go(h.discover)
	}
	return nil
}

// build puts the swarm together: QUIC, and nothing that speaks before the hello.
func (h *Host) build() error {
	key, err := crypto.UnmarshalEd25519PrivateKey(h.cfg.Key)
	if err != nil {
		return err
	}
	reset, err := config.PrivKeyToStatelessResetKey(key)
	if err != nil {
		return err
	}
	token, err := config.PrivKeyToTokenGeneratorKey(key)
	if err != nil {
		return err
	}
	if h.quic, err = quicreuse.NewConnManager(reset, token, h.reuseOptions()...); err != nil {
		return err
	}
	// Bounds are kept here, by links; libp2p's own accounting would cost more memory than the node.
	none := &network.NullResourceManager{}
	transport, err := libp2pquic.NewTransport(key, h.quic, nil, nil, none)
	if err != nil {
		return err
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return err
	}
	h.store = store
	id := h.self.Peer()
	if err := store.AddPrivKey(id, key); err != nil {
		return err
	}
	// The detectors of black holes stop dials to public addresses after a hundred failed, which a
	// long cut of the uplink brings about: then the node would not find back.
	h.swarm, err = swarm.NewSwarm(id, store, eventbus.NewBus(), swarm.WithResourceManager(none), swarm.WithDialTimeout(HelloTimeout),
		swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return err
	}
	return h.swarm.AddTransport(transport)
}

func (h *Host) reuseOptions() []quicreuse.Option {
	if h.cfg.Sockets == nil {
		return []quicreuse.Option{quicreuse.OverrideListenUDP(openSocket)}
	}
	return []quicreuse.Option{
		quicreuse.OverrideListenUDP(h.cfg.Sockets.ListenUDP),
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return selector{h.cfg.Sockets}, nil }),
	}
}

type selector struct{ s Sockets }

func (s selector) PreferredSourceIPForDestination(dst *net.UDPAddr) (net.IP, error) {
	return s.s.SourceFor(dst)
}

// Handle serves a protocol, a name of 1 to 64 bytes: serve gets each stream of an admitted peer on
// a goroutine of its own, and closes it. Close waits for all of them.
func (h *Host) Handle(protocol string, serve func(from ident.NodeID, conn net.Conn)) {
	if len(protocol) == 0 || len(protocol) > maxProtocol {
		panic("mesh: bad length of a protocol's name")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[protocol] = serve
}

// SetUplink changes how traffic with other sites is held. The limits are this node's own.
func (h *Host) SetUplink(u Uplink) {
	h.up.set(u.Up)
	h.down.set(u.Down)
	h.up.hold(u.BulkHeld)
	h.down.hold(u.BulkHeld)
	h.mu.Lock()
	was := h.uplink
	h.uplink = u
	var far []*link
	for _, m := range h.members {
		if u.Held && m.peer.Site != h.cfg.Site {
			far = append(far, m.links...)
		}
	}
	var outside []*outsider
	if u.Held {
		outside = slices.Collect(maps.Keys(h.outside))
	}
	if was.Held && !u.Held {
		for _, k := range h.known {
			k.next, k.fails = time.Time{}, 0
		}
	}
	h.mu.Unlock()
	for _, l := range far {
		l.close()
	}
	for _, o := range outside {
		_ = o.Reset() // it is closed, whatever that says
	}
	h.wake()
}

// Uplink returns what SetUplink was last told.
func (h *Host) Uplink() Uplink {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.uplink
}

// Drop closes all connections with a peer, and lets it in again only after a while.
func (h *Host) Drop(id ident.NodeID, reason string, d time.Duration) {
	h.log.Warn("mesh: peer dropped", "node", id, "why", reason)
	h.mu.Lock()
	now := time.Now()
	maps.DeleteFunc(h.banned, func(_ ident.NodeID, until time.Time) bool { return !now.Before(until) })
	h.banned[id] = now.Add(d)
	var links []*link
	if m := h.members[id]; m != nil {
		links = slices.Clone(m.links)
	}
	h.mu.Unlock()
	for _, l := range links {
		l.close()
	}
}

// isBanned reports whether a node is kept out. The caller holds mu.
func (h *Host) isBanned(id ident.NodeID) bool {
	if len(h.banned) == 0 {
		return false
	}
	until, ok := h.banned[id]
	return ok && time.Now().Before(until)
}

// Close ends all connections and waits for every handler; so it must not be called by one.
// Listeners of OnPeer are told nothing any more.
func (h *Host) Close() error {
	h.closeOnce.Do(func() { h.closeErr = h.shut() })
	return h.closeErr
}

func (h *Host) shut() error {
	h.mu.Lock()
	h.closed = true
	outside := slices.Collect(maps.Keys(h.outside))
	h.mu.Unlock()
	h.cancel()
	for _, o := range outside {
		_ = o.Reset() // it is closed, whatever that says
	}
	var errs []error
	if h.swarm != nil {
		errs = append(errs, h.swarm.Close())
	}
	if h.quic != nil {
		errs = append(errs, h.quic.Close())
	}
	h.wg.Wait()
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	return errors.Join(errs...)
}
