package mesh

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/config"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"

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

// Bounds of what peers can make a host keep.
const (
	maxLinks   = 1024
	maxPending = 128 // connections that are not admitted yet
)

// Config is what a host works with. Key, Site, Listen and Gate must be set.
type Config struct {
	Key    ed25519.PrivateKey
	Site   string
	Listen []string // host:port, UDP; port 0 is any free one
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

// Host is one node's end of the mesh. It is safe for concurrent use.
type Host struct {
	cfg         Config
	log         *slog.Logger
	self        ident.NodeID
	codec       codec
	incarnation uint64
	swarm       *swarm.Swarm
	quic        *quicreuse.ConnManager
	up, down    *bucket

	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	poke    chan struct{} // holds one: choose again
	events  chan func()
	stopped func() // the discovery's

	mu       sync.Mutex
	closed   bool
	handlers map[string]func(ident.NodeID, net.Conn)
	links    map[network.Conn]*link
	peers    map[ident.NodeID][]*link // admitted, the newest last
	known    map[ident.NodeID]*known
	banned   map[ident.NodeID]time.Time // until when
	onPeer   []func(Peer, bool)
	uplink   Uplink
	past     Traffic // of links that are gone
	saved    []string
}

// New starts a host; it listens when New returns. ErrAddrInUse is in the error's chain if it cannot.
func New(cfg Config) (*Host, error) {
	h := &Host{cfg: cfg, log: cfg.Logger, self: ident.FromPrivateKey(cfg.Key), incarnation: rand.Uint64(), up: newBucket(), down: newBucket(),
		poke: make(chan struct{}, 1), events: make(chan func(), 256), handlers: map[string]func(ident.NodeID, net.Conn){}, links: map[network.Conn]*link{},
		peers: map[ident.NodeID][]*link{}, known: map[ident.NodeID]*known{}, banned: map[ident.NodeID]time.Time{}, uplink: cfg.Uplink}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.up.set(cfg.Uplink.Up)
	h.down.set(cfg.Uplink.Down)
	var err error
	if h.codec, err = newCodec(); err != nil {
		return nil, err
	}
	if err := h.build(); err != nil {
		return nil, err
	}
	h.Handle(helloProtocol, nil) // served by the link itself
	h.Handle(peersProtocol, h.servePeers)
	h.swarm.Notify(&network.NotifyBundle{ConnectedF: h.connected, DisconnectedF: h.disconnected})
	h.swarm.SetStreamHandler(h.accept)
	if err := h.listen(); err != nil {
		_ = h.Close() // the first error says what is wrong
		return nil, err
	}
	if cfg.Book != nil {
		h.Learn(cfg.Book.LoadAddresses()...)
	}
	h.wg.Go(h.dispatch)
	h.wg.Go(h.connect)
	return h, h.discover()
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
	id := h.self.Peer()
	if err := store.AddPrivKey(id, key); err != nil {
		return err
	}
	if h.swarm, err = swarm.NewSwarm(id, store, eventbus.NewBus(), swarm.WithResourceManager(none), swarm.WithDialTimeout(HelloTimeout)); err != nil {
		return err
	}
	return h.swarm.AddTransport(transport)
}

func (h *Host) reuseOptions() []quicreuse.Option {
	if h.cfg.Sockets == nil {
		return nil
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

func (h *Host) listen() error {
	for _, hostPort := range h.cfg.Listen {
		m, err := listenAddr(hostPort)
		if err != nil {
			return err
		}
		err = h.swarm.Listen(m)
		if errors.Is(err, syscall.EADDRINUSE) || err != nil && strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			return fmt.Errorf("listen on UDP %s: %w", hostPort, ErrAddrInUse)
		}
		if err != nil {
			return fmt.Errorf("listen on UDP %s: %w", hostPort, err)
		}
	}
	return nil
}

// listenAddr turns host:port into a multiaddr.
func listenAddr(hostPort string) (ma.Multiaddr, error) {
	addr, err := net.ResolveUDPAddr("udp", hostPort)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: want HOST:PORT: %w", hostPort, err)
	}
	family, ip := "ip4", addr.IP
	switch {
	case ip == nil:
		ip = net.IPv4zero
	case ip.To4() == nil:
		family = "ip6"
	}
	return ma.NewMultiaddr(fmt.Sprintf("/%s/%s/udp/%d/quic-v1", family, ip, addr.Port))
}

// Addrs returns the multiaddrs at which others can dial this host, with its ID. Addresses of the
// loopback interface are among them only if it listens on nothing else.
func (h *Host) Addrs() []string {
	var all, far []string
	for _, a := range h.bareAddrs() {
		full := a + "/p2p/" + h.self.String()
		all = append(all, full)
		if !strings.HasPrefix(a, "/ip4/127.") && !strings.HasPrefix(a, "/ip6/::1/") {
			far = append(far, full)
		}
	}
	if len(far) > 0 {
		return far[:min(len(far), maxAddrs)]
	}
	return all[:min(len(all), maxAddrs)]
}

func (h *Host) bareAddrs() []string {
	addrs, err := h.swarm.InterfaceListenAddresses()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

// ownAddrs is Addrs without the ID, as the hello carries it.
func (h *Host) ownAddrs() []string {
	var out []string
	for _, a := range h.Addrs() {
		bare, _, _ := strings.Cut(a, "/p2p/")
		out = append(out, bare)
	}
	return out
}

func (h *Host) discover() error {
	if h.cfg.Discovery == nil {
		return nil
	}
	stop, err := h.cfg.Discovery.Start(h.self, h.Addrs(), func(addr string) { h.Learn(addr) })
	if err != nil { // a machine without multicast is no reason not to run
		h.log.Warn("mesh: no discovery on the LAN", "err", err)
		return nil
	}
	h.stopped = stop
	return nil
}

// Handle serves a protocol: serve gets each stream of an admitted peer on a goroutine of its own,
// and closes it. Close waits for all of them.
func (h *Host) Handle(protocol string, serve func(from ident.NodeID, conn net.Conn)) {
	if len(protocol) > maxProtocol {
		panic("mesh: protocol name is too long")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[protocol] = serve
}

// OnPeer has f called when an admitted peer came (up) or went, one call at a time and in order.
// Register before peers are met; those that are there already are told of at once.
func (h *Host) OnPeer(f func(p Peer, up bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onPeer = append(h.onPeer, f)
	for _, links := range h.peers {
		p := links[0].peer
		h.emit(func() { f(p, true) })
	}
}

// emit queues an event. It never blocks: events that find the queue full are sent by a goroutine
// of their own, which only a flood of connections can bring about.
func (h *Host) emit(event func()) {
	select {
	case h.events <- event:
	default:
		h.wg.Go(func() {
			select {
			case h.events <- event:
			case <-h.ctx.Done():
			}
		})
	}
}

func (h *Host) dispatch() {
	for {
		select {
		case <-h.ctx.Done():
			return
		case event := <-h.events:
			event()
		}
	}
}

// SetUplink changes how traffic with other sites is held. The limits are this node's own.
func (h *Host) SetUplink(u Uplink) {
	h.up.set(u.Up)
	h.down.set(u.Down)
	h.mu.Lock()
	was := h.uplink
	h.uplink = u
	var far []*link
	for _, links := range h.peers {
		if u.Held && links[0].peer.Site != h.cfg.Site {
			far = append(far, links...)
		}
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
	maps.DeleteFunc(h.banned, func(_ ident.NodeID, until time.Time) bool { return now.After(until) })
	h.banned[id] = now.Add(d)
	links := slices.Clone(h.peers[id])
	h.mu.Unlock()
	for _, l := range links {
		l.close()
	}
}

// Close ends all connections and waits for every handler.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.mu.Unlock()
	if h.stopped != nil {
		h.stopped()
	}
	h.saveBook()
	h.cancel()
	err := errors.Join(h.swarm.Close(), h.quic.Close())
	h.wg.Wait()
	return err
}
