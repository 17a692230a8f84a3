package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"

	"selvage/internal/ident"
)

// openGap is how long after a failed dial Open does not dial again, but fails as the dial did: who
// retries at once must not make a storm.
const openGap = time.Second

// attempt is one dial of a node. All who want the node at that time share it.
type attempt struct {
	done    chan struct{}
	dialled *link // guarded by Host.mu
	link    *link // set before done is closed, as err is
	err     error
}

// Bounds of the time between two choices of whom to dial.
const (
	chooseGap   = 100 * time.Millisecond // what changes together is one choice
	chooseShare = 2 * time.Millisecond   // as much more time for each node that is known: a choice looks at all
	farGap      = 5 * time.Second        // between dials of one more neighbour than are enough
	farShare    = 50 * time.Millisecond  // as much more time for each node that is known
	blindGap    = time.Second            // between dials of nodes of whom not even the site is known
	chooseEvery = time.Second            // while nothing changes, in whole ones of these
	chooseWait  = 10 * time.Second       // and at most this
)

// connect dials whom choose says, when something has changed, and when a back-off is over.
func (h *Host) connect() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.poke:
		case <-timer.C:
		}
		wait, known := h.dialChosen()
		gap := time.NewTimer(chooseGap + time.Duration(known)*chooseShare)
		select {
		case <-h.ctx.Done():
			gap.Stop()
			return
		case <-gap.C:
		}
		timer.Reset(wait)
	}
}

// wake has connect look again. It never blocks.
func (h *Host) wake() {
	select {
	case h.poke <- struct{}{}:
	default: // it is about to look anyway
	}
}

// dialChosen dials whom choose says, and returns when time alone may make it say something else, and of how
// many nodes it chose.
func (h *Host) dialChosen() (wait time.Duration, known int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return chooseWait, 0
	}
	now := time.Now()
	next := now.Add(chooseWait)
	sooner := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	for _, until := range h.banned {
		sooner(until)
	}
	list := newShortlist(h.cfg.Site, len(h.members)+h.dialling, h.candidates)
	for _, k := range h.ranked {
		id := k.id
		if h.isBanned(id) || h.isShunned(id) {
			continue
		}
		sooner(k.next)
		m := h.members[id]
		if m == nil && k.attempt == nil && k.site != "" && k.site != h.cfg.Site && list.full() {
			continue
		}
		// Who has told no address can only come by itself.
		ready := !now.Before(k.next) && (k.reached != "" || len(k.own) > 0 || len(k.heard) > 0)
		list.add(candidate{id: id, rank: k.rank, site: k.site, hearsay: k.trust == heard,
			connected: m != nil, dialling: k.attempt != nil, ready: ready, spare: m != nil && m.isSpare(now)})
	}
	all := list.all
	h.candidates = all
	due := h.farDial.Add(farGap + time.Duration(len(h.known))*farShare)
	sooner(due)
	blind := h.blindDial.Add(blindGap)
	sooner(blind)
	chosen := patient(h.cfg.Site, all, choose(h.cfg.Site, all, h.uplink.Held), !now.Before(due))
	for _, id := range groping(all, chosen, !now.Before(blind)) {
		k := h.known[id]
		if k.site != h.cfg.Site {
			h.farDial = now
		}
		if k.site == "" {
			h.blindDial = now
		}
		h.dial(k)
	}
	h.trim(all, now)
	return (next.Sub(now) + chooseEvery - 1).Truncate(chooseEvery), len(h.known)
}

// Of connections that nobody wants any more.
const (
	spareAge = time.Minute     // how long nothing bulky has gone over one
	trimGap  = 2 * time.Second // between two that are closed
)

// isSpare reports whether a connection may be closed if there are too many: this end has dialled it,
// and it carries nothing but control. The caller holds the host's mu.
func (m *member) isSpare(now time.Time) bool {
	return !slices.ContainsFunc(m.links, func(l *link) bool {
		return l.inbound || now.Sub(l.since) < spareAge || now.Sub(time.Unix(0, l.bulk.Load())) < spareAge
	})
}

// trim closes a connection of which there are too many, now and then. The caller holds mu.
func (h *Host) trim(all []candidate, now time.Time) {
	if now.Sub(h.trimmed) < trimGap {
		return
	}
	id, ok := surplus(h.cfg.Site, all)
	if !ok {
		return
	}
	h.trimmed = now
	for _, l := range h.members[id].links {
		h.wg.Go(l.close) // the swarm may wait for the lock that is held here
	}
}

// dial starts to dial a node, unless that is under way already. The caller holds mu.
func (h *Host) dial(k *known) *attempt {
	if k.attempt != nil {
		return k.attempt
	}
	a, addrs := &attempt{done: make(chan struct{})}, k.addrs()
	k.attempt, k.tried = a, time.Now()
	h.dialling++
	h.wg.Go(func() {
		l, err := h.dialOnce(k.id, addrs, a)
		if err != nil {
			h.awaitOther(k.id, err)
		}
		h.mu.Lock()
		if m := h.members[k.id]; m != nil { // by this dial, or because the node has dialled too
			l, err = h.best(m), nil
		}
		k.attempt = nil
		h.dialling--
		if err != nil {
			k.failed(err, h.most(k))
			h.log.Debug("mesh: cannot reach", "node", k.id, "err", err)
		}
		a.link, a.err = l, err
		close(a.done)
		h.wake() // there may be room for another
		h.mu.Unlock()
	})
	return a
}

// dialOnce connects to a node and waits for the handshake.
func (h *Host) dialOnce(to ident.NodeID, addrs []string, a *attempt) (*link, error) {
	ctx, cancel := context.WithTimeout(h.ctx, 2*HelloTimeout)
	defer cancel()
	store, id := h.swarm.Peerstore(), to.Peer()
	store.ClearAddrs(id)
	defer store.ClearAddrs(id)
	for _, a := range addrs {
		if m, err := ma.NewMultiaddr(a); err == nil {
			store.AddAddr(id, m, peerstore.TempAddrTTL)
		}
	}
	h.swarm.Backoff().Clear(id) // the host has its own
	h.closeRefused(to)
	c, err := h.swarm.DialPeer(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	h.mu.Lock()
	l := h.links[c]
	if l == nil && a.dialled != nil && a.dialled.conn == c {
		l = a.dialled // it is gone already, for a reason that it knows
	}
	h.mu.Unlock()
	if l == nil {
		return nil, ErrUnknown
	}
	return l.outcome(ctx)
}

// closeRefused closes what connections with a node linger after a refusal: libp2p would take one of
// them instead of dialling.
func (h *Host) closeRefused(id ident.NodeID) {
	h.mu.Lock()
	var over []*link
	for _, l := range h.links {
		if l.remote == id && l.done && l.err != nil {
			over = append(over, l)
		}
	}
	h.mu.Unlock()
	for _, l := range over {
		l.close()
	}
}

// outcome waits for the handshake, and returns the link if it was admitted.
func (l *link) outcome(ctx context.Context) (*link, error) {
	over := l.ready
	if !l.inbound {
		over = l.over
	}
	select {
	case <-over:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	switch {
	case l.err == nil:
		return l, nil
	case l.refusal != nil:
		return nil, l.refusal
	default:
		return nil, fmt.Errorf("%w: %w", ErrUnknown, l.err)
	}
}

// awaitOther gives another connection with a node, whose dial of this end made this end's dial be in
// vain, the time to be admitted.
func (h *Host) awaitOther(id ident.NodeID, err error) {
	var r *Refusal
	twice := errors.As(err, &r) && r.Code == codeTwice
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range int(2 * time.Second / (20 * time.Millisecond)) {
		if !h.pending(id, twice) {
			return
		}
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			return
		}
	}
}

// pending reports whether a connection with a node may yet be admitted; twice says that there is one that the other end wants. A dial is given
// one that the other end has dialled as soon as the swarm has it, which may be before the host is told of that one.
func (h *Host) pending(id ident.NodeID, twice bool) bool {
	conns := h.swarm.ConnsToPeer(id.Peer())
	h.mu.Lock()
	defer h.mu.Unlock()
	return twice && h.members[id] == nil ||
		slices.ContainsFunc(values(h.links), func(l *link) bool { return l.remote == id && !l.done }) ||
		slices.ContainsFunc(conns, func(c network.Conn) bool { return h.links[c] == nil && !c.IsClosed() })
}

// reach returns an admitted connection with a node, dialling it if need be.
func (h *Host) reach(ctx context.Context, to ident.NodeID) (*link, error) {
	h.mu.Lock()
	a, l, err := h.way(to)
	h.mu.Unlock()
	if a == nil {
		return l, err
	}
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// way returns the connection with a node, or a dial that may bring one about, or why there is
// neither. The caller holds mu.
func (h *Host) way(to ident.NodeID) (*attempt, *link, error) {
	if m := h.members[to]; m != nil {
		return nil, h.best(m), nil
	}
	k := h.known[to]
	switch {
	case k == nil || h.closed || len(k.addrs()) == 0:
		return nil, nil, ErrUnknown
	case h.uplink.Held && k.site != "" && k.site != h.cfg.Site:
		return nil, nil, ErrHeld
	case h.isShunned(to):
		return nil, nil, errShunned
	case h.isBanned(to):
		return nil, nil, &Refusal{Code: CodeDropped, Text: "it has misbehaved, and is kept out for a while"}
	case k.attempt == nil && k.fails > 0 && k.last != nil && time.Since(k.tried) < openGap:
		return nil, nil, k.last
	}
	return h.dial(k), nil, nil
}
