package gossip

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"selvage/internal/ident"
)

const (
	firstSync = 200 * time.Millisecond // the first session with a peer begins within
	awaitPeer = 5 * time.Second        // how long a stream waits for the PeerUp of who opened it
)

// peer is a neighbour between PeerUp and PeerDown. Replicator.mu guards all fields that change, but for places.
type peer struct {
	id    ident.NodeID
	local bool
	ctx   context.Context // ends at PeerDown
	stop  context.CancelFunc
	queue *queue

	next     time.Time          // of the next session to initiate
	dirty    bool               // a push to it was lost since the last session began
	whole    bool               // the next session is to be a whole one, not a peek
	fresh    bool               // that is so because the peer is new
	before   met                // Replicator.met when it came up
	peeks    int                // peeks in a row that found the roots different
	deferred int                // sessions in a row that did not take place; see defers
	chosen   bool               // this node has chosen the link across the edge; see choose
	chosenBy int                // the push stream on which the peer has said that it did; 0 if it has not
	begs     bool               // the peer is told that this node is full; see chose
	mercy    time.Time          // until then it has the time to choose another, and is not served
	full     bool               // the peer is: others are chosen before it; see avoid
	heard    time.Time          // when it last pushed records
	grafted  time.Time          // the link counts as chosen until then, as it brought what no other had
	failures int                // sessions that failed in a row
	vain     int                // times in a row that sessions had more than they held, and brought nothing; see tire
	places   places             // of the scheduler alone
	streams  map[int]cancelFunc // cut when it misbehaves
	served   map[string]int     // the stream that is served, or is next, by protocol
	turns    map[string]turn    // held by the stream that is served, by protocol; not changed
	streamNo int
}

type cancelFunc = context.CancelFunc

func newPeer(parent context.Context, id ident.NodeID, local bool) *peer {
	ctx, stop := context.WithCancel(parent)
	return &peer{
		id: id, local: local, ctx: ctx, stop: stop, queue: newQueue(),
		next:    time.Now().Add(rand.N(firstSync)),
		whole:   true,
		streams: make(map[int]cancelFunc),
		served:  make(map[string]int),
		turns:   map[string]turn{syncProtocol: make(turn, 1), pushProtocol: make(turn, 1)},
	}
}

// turn is what one at a time has.
type turn chan struct{}

// take waits for the turn; it reports whether ctx lasted.
func (t turn) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// attach binds a connection to the peer: it is closed when the returned context ends, at the
// latest after d, or when the peer goes down or misbehaves. The caller calls release when it is done with it.
func (r *Replicator) attach(p *peer, conn net.Conn, d time.Duration) (ctx context.Context, no int, release func()) {
	ctx, cancel := context.WithTimeout(p.ctx, d)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	r.mu.Lock()
	p.streamNo++
	no = p.streamNo
	p.streams[no] = cancel
	r.mu.Unlock()
	return ctx, no, func() {
		r.mu.Lock()
		delete(p.streams, no)
		r.mu.Unlock()
		stop()
		cancel()
		conn.Close()
	}
}

// serve runs f on a stream that a peer opened. A stream that arrives before PeerUp waits for it
// for a while. A peer has one stream of each protocol: the newest, as its sender has given up the
// others. It waits until the one before it has ended, which was cut but may have records with the log: who opens one after
// another would have each hold some else, while the disk is slow.
func (r *Replicator) serve(from ident.NodeID, conn net.Conn, protocol string, limit time.Duration, f func(context.Context, *peer, *link, int)) {
	defer conn.Close()
	if !r.enter() {
		return
	}
	defer r.wg.Done()
	p := r.awaitPeer(from)
	if p == nil {
		return
	}
	ctx, no, release := r.attach(p, conn, limit)
	defer release()
	r.mu.Lock()
	older := p.streams[p.served[protocol]]
	p.served[protocol] = no
	r.mu.Unlock()
	if older != nil {
		older()
	}
	if !p.turns[protocol].take(ctx) {
		return
	}
	defer func() { <-p.turns[protocol] }()
	f(ctx, p, r.linkTo(p, conn), no)
}

// awaitPeer returns the peer, or nil if it does not come up in time or is ignored.
func (r *Replicator) awaitPeer(id ident.NodeID) *peer {
	ctx, cancel := context.WithTimeout(r.ctx, awaitPeer)
	defer cancel()
	for {
		r.mu.Lock()
		p, changed, ignored := r.peers[id], r.changed, r.ignoredUntil(id).After(time.Now())
		r.mu.Unlock()
		if ignored {
			return nil
		}
		if p != nil {
			return p
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
