package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/manifest"
	"selvage/node/api"
	"selvage/node/locks"
)

// lockTimeout bounds how long a node waits for the leader's answer: the client asks again.
const lockTimeout = 2 * time.Second

// lockDesk is this node's part in the locks of its site: it asks the leader for clients of this machine, and answers when it leads.
type lockDesk struct {
	n     *Node
	codec locks.Codec
	freed chan struct{} // holds one: a client is done

	mu    sync.Mutex
	table *locks.Table
}

func (n *Node) openLocks() error {
	codec, err := locks.NewCodec()
	if err != nil {
		return err
	}
	n.locks = &lockDesk{n: n, codec: codec, freed: make(chan struct{}, 1), table: locks.NewTable(n.cfg.Lease)}
	n.mesh.Handle(locks.Protocol, n.locks.serve)
	n.lead.OnStop(n.locks.stop) // in time: a node is mute at first
	return nil
}

// Lock has a client of this machine ask the leader of its site. Errors wrap locks.ErrNobodyLeads: it is to ask again.
func (n *Node) Lock(ctx context.Context, a locks.Ask) (locks.Answer, error) {
	d := n.locks
	return askLeader(ctx, d, func() (locks.Answer, bool) { return d.answer(n.home.Node, a) }, func(conn net.Conn) (locks.Answer, error) {
		if err := d.codec.WriteAsk(conn, a); err != nil {
			return locks.Answer{}, err
		}
		return d.codec.ReadAnswer(conn)
	})
}

// askLeader has the leader of the site answer: this node itself, or another one.
func askLeader[A any](ctx context.Context, d *lockDesk, here func() (A, bool), there func(net.Conn) (A, error)) (a A, err error) {
	leader := d.n.lease().Holder
	if leader.IsZero() {
		return a, locks.ErrNobodyLeads
	}
	if leader == d.n.home.Node {
		a, leads := here()
		if !leads {
			return a, locks.ErrNobodyLeads
		}
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	conn, err := d.n.mesh.Open(ctx, leader, locks.Protocol)
	if err != nil {
		return a, fmt.Errorf("%w: its leader is not reached: %w", locks.ErrNobodyLeads, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if a, err = there(conn); err != nil {
		return a, fmt.Errorf("%w: its leader does not answer: %w", locks.ErrNobodyLeads, err)
	}
	return a, nil
}

// serve answers a mate.
func (d *lockDesk) serve(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(d.n.ctx, func() { conn.Close() })()
	if !d.n.inSite(from) || conn.SetDeadline(time.Now().Add(lockTimeout)) != nil {
		return
	}
	ask, lists, err := d.codec.ReadAsk(conn)
	if err != nil {
		return // it asks again
	}
	if lists {
		if all, leads := d.list(ask.Name); leads {
			_ = d.codec.WriteList(conn, all) // it asks again
		}
		return
	}
	if a, leads := d.answer(from, ask); leads {
		_ = d.codec.WriteAnswer(conn, a) // likewise
	}
}

// answer answers a client of a node, if this one leads.
func (d *lockDesk) answer(from ident.NodeID, ask locks.Ask) (a locks.Answer, leads bool) {
	a, low, leads := d.look(from, ask)
	if ask.Want == locks.Release {
		select {
		case d.freed <- struct{}{}:
		default: // stop is about to look
		}
	}
	if low {
		ctx, cancel := context.WithTimeout(d.n.ctx, lockTimeout)
		defer cancel()
		if err := d.n.lead.Renumber(ctx); err != nil {
			d.n.log.Debug("node: no more tokens for locks yet", "err", err)
		}
	}
	return a, leads
}

// look asks the table. Term is asked with the table held: a stop that begins in between waits for what is granted here.
func (d *lockDesk) look(from ident.NodeID, ask locks.Ask) (a locks.Answer, low, leads bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.n.lead.Now() // before the term is asked: what is left then is left from now on at least
	lease := d.n.lead.Term()
	if lease.Left == 0 {
		return a, false, false
	}
	term := locks.Term{Fence: lease.Fence}
	if lease.Go {
		term.Until = now + lease.Left - d.n.cfg.Lease.Authority/10
	}
	a = d.table.Ask(now, term, from, ask)
	return a, d.table.Low(), true
}

// list returns the first locks whose names come after one, if this node leads.
func (d *lockDesk) list(after string) (all []locks.Lock, leads bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, leads = d.n.lead.Fence(); !leads {
		return nil, false
	}
	return d.table.List(d.n.lead.Now(), after, locks.MaxList), true
}

// stop returns when nothing is granted any more, so that the lease can pass on. Term has kept everybody from being granted more.
// Once ctx ends all has: it ends later than any grant, or with the node, which then gives nothing up.
func (d *lockDesk) stop(ctx context.Context) {
	for {
		d.mu.Lock()
		now := d.n.lead.Now()
		until, any := d.table.Latest(now)
		d.mu.Unlock()
		if !any {
			return
		}
		t := time.NewTimer(max(until-now, 10*time.Millisecond)) // it may be faster than the lease's clock
		select {
		case <-t.C:
		case <-d.freed:
		case <-ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
	}
}

// unled says what to do about a site without a leader.
func unled(err error) error {
	return &api.Error{Code: http.StatusServiceUnavailable, Text: err.Error(), Hint: "'selvage site show' says what is missing"}
}

// AskLock implements api.Backend.
func (n *Node) AskLock(ctx context.Context, ask api.LockAsk) (api.LockAnswer, error) {
	a := locks.Ask{Name: ask.Name}
	raw, err := hex.DecodeString(ask.Claim)
	if err != nil || len(raw) != len(a.Claim) {
		return api.LockAnswer{}, api.Refuse(fmt.Errorf("claim %.40q is not %d bytes in hex", ask.Claim, len(a.Claim)), "draw a random one for each time that you take a lock")
	}
	a.Claim = locks.Claim(raw)
	if err := manifest.CheckPath(ask.Name); err != nil {
		return api.LockAnswer{}, api.Refuse(err, "")
	}
	wants := map[string]locks.Want{api.LockTake: locks.Take, api.LockKeep: locks.Keep, api.LockRelease: locks.Release}
	if a.Want = wants[ask.Do]; a.Want == 0 {
		return api.LockAnswer{}, api.Refuse(fmt.Errorf("%.40q is nothing to do with a lock", ask.Do), "take, keep or release it")
	}
	got, err := n.Lock(ctx, a)
	if err != nil {
		return api.LockAnswer{}, unled(err)
	}
	out := api.LockAnswer{State: lockStates[got.State], Token: got.Token, ForSeconds: got.For.Seconds(), Ahead: got.Ahead}
	if !got.Holder.IsZero() {
		out.Holder = n.called(got.Holder)
	}
	return out, nil
}

var lockStates = map[locks.State]string{
	locks.Held: api.LockHeld, locks.Waiting: api.LockWaiting, locks.Lost: api.LockLost, locks.Released: api.LockReleased, locks.Full: api.LockFull,
}

// Locks implements api.Backend.
func (n *Node) Locks(ctx context.Context) ([]api.Lock, error) {
	all, err := gather(func(after string) ([]locks.Lock, error) { return n.locksAfter(ctx, after) })
	if err != nil {
		return nil, unled(err)
	}
	out := []api.Lock{}
	for _, l := range all {
		m, _ := n.ledger.Node(l.Holder)
		out = append(out, api.Lock{Lock: l.Name, Node: l.Holder, Name: m.Name, Token: l.Token, HeldSeconds: l.Since.Seconds(), ExpiresInSeconds: l.Left.Seconds(), Waiting: l.Waiting})
	}
	return out, nil
}

// gather puts together what a leader lists bit by bit.
func gather(next func(after string) ([]locks.Lock, error)) (out []locks.Lock, err error) {
	for after := ""; ; {
		all, err := next(after)
		if err != nil {
			return nil, err
		}
		for _, l := range all {
			if l.Name <= after {
				return nil, errors.New("the leader of the site lists locks in no order")
			}
			after = l.Name
		}
		out = append(out, all...)
		switch {
		case len(all) < locks.MaxList:
			return out, nil
		case len(out) > 2*locks.MaxLocks: // some may have come and gone meanwhile
			return nil, errors.New("the leader of the site lists more locks than there can be")
		}
	}
}

func (n *Node) locksAfter(ctx context.Context, after string) ([]locks.Lock, error) {
	d := n.locks
	return askLeader(ctx, d, func() ([]locks.Lock, bool) { return d.list(after) }, func(conn net.Conn) ([]locks.Lock, error) {
		if err := d.codec.WriteListAsk(conn, after); err != nil {
			return nil, err
		}
		return d.codec.ReadList(conn)
	})
}
