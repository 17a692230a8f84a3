package gossip

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"selvage/internal/ident"
)

const (
	// pushLimit is when a push stream is replaced, which bounds how long a forgotten one stays.
	pushLimit = 24 * time.Hour
	// catchUp is for how long a node that has met its first peer passes on nothing across the edge, at most; see catchesUp.
	catchUp = 30 * time.Second
	// pushSettled is how long a push stream lasts, at least, if the peer takes what comes by it.
	pushSettled = 10 * time.Second
)

// Push sends a record to the neighbours that should have it from this node. from is the peer that
// it came from; zero says that it is this node's own. Push never blocks: what finds a neighbour's
// queue full is left to the next session with that neighbour, which then comes at once.
func (r *Replicator) Push(rec Record, from ident.NodeID) {
	if len(rec.Feed) == 0 || len(rec.Feed) > MaxFeed || len(rec.Data) > MaxData {
		r.cfg.Logger.Error("record out of bounds", "feed", rec.Feed, "bytes", len(rec.Data))
		return
	}
	site, urgent := r.cfg.Log.Site(rec.Feed), r.cfg.Log.Urgent(rec.Feed)
	mates := r.cfg.Mates()
	r.mu.Lock()
	again := !r.meshed(mates) && duty(rec.Feed, mates, r.cfg.Self)
	src := source{own: from.IsZero() || from == r.cfg.Self}
	if p := r.peers[from]; p != nil {
		src.local = p.local
	} else {
		src.local = slices.Contains(mates, from)
	}
	old := !src.own && !urgent && r.catchesUp()
	var full []*peer
	for id, p := range r.peers {
		if id == from || old && !p.local || !p.eager() && !urgent || !relays(src, p.local, site, again) || r.ignoredUntil(id).After(time.Now()) {
			continue
		}
		if !p.queue.put(rec, urgent) {
			full = append(full, p)
		}
	}
	r.mu.Unlock()
	for _, p := range full {
		r.markDirty(p)
	}
}

// catchesUp reports whether this node has come up and had no session yet that left nothing out. What it gets then others have had long before,
// and have sent across edges: in a fleet that starts all nodes would tell each other what each of them has just caught up with. What a peer
// lacks of it the first session with that peer brings. The caller holds r.mu.
func (r *Replicator) catchesUp() bool {
	return r.met == (met{}) && time.Since(r.begun) < catchUp
}

// source says where a record came from.
type source struct {
	own   bool
	local bool // from a peer of this site
}

// relays reports whether a record is pushed to a neighbour, if that is an eager one or the record urgent. All goes across
// the edge. What this node wrote, and what came over the edge, goes to all inside. Anything else has
// been pushed to this node's mates by the one that it came from; it goes round inside once more if
// again says so.
func relays(src source, toLocal, siteFeed, again bool) bool {
	switch {
	case !toLocal:
		return !siteFeed
	case src.own, !src.local:
		return true
	default:
		return again
	}
}

// meshed reports whether this node is connected to all its mates; then they are to each other, most
// likely. Where they are not, those on duty pass on what comes from a mate. The caller holds r.mu.
func (r *Replicator) meshed(mates []ident.NodeID) bool {
	for _, m := range mates {
		if p := r.peers[m]; m != r.cfg.Self && (p == nil || !p.local) {
			return false
		}
	}
	return true
}

// push sends a peer's queue to it for as long as it is up, and tells it when this node chooses the
// link. The stream is opened when there is something to say, and kept. A peer that does not take it, or hangs up at once, is called later
// each time.
func (r *Replicator) push(p *peer) {
	var conn *pushConn
	defer func() { conn.close() }()
	failures := 0
	var rested time.Time
	for p.queue.wait(p.ctx) {
		if !r.gather(p, rested) {
			return
		}
		if conn.broken() {
			if conn.brief() {
				failures++
				if !awaitRetry(p.ctx, failures) {
					return
				}
			}
			conn.close()
			conn = nil
		}
		carried, err := r.pushNext(p, &conn)
		if err == nil {
			if !conn.brief() {
				failures = 0
			}
			if carried && p.queue.empty() { // else there is more than a frame holds
				rested = time.Now().Add(r.rest())
			}
			continue
		}
		r.cfg.Logger.Debug("push failed", "peer", p.id, "err", err)
		conn.close()
		conn = nil
		r.markDirty(p)
		p.queue.signal()
		failures++
		if !awaitRetry(p.ctx, failures) {
			return
		}
	}
}

// awaitRetry pauses after so many failures in a row; it reports whether ctx lasts.
func awaitRetry(ctx context.Context, failures int) bool {
	wait := firstRetry << min(failures-1, 5)
	return sleep(ctx, wait/2+rand.N(wait))
}

// pushNext sends a frame of what waits for a peer, and reports whether anything did. What it fails to send is lost.
func (r *Replicator) pushNext(p *peer, conn **pushConn) (carried bool, err error) {
	rs := p.queue.next()
	r.mu.Lock()
	says := said{claims: p.claims(), full: p.begs}
	r.mu.Unlock()
	if len(rs) == 0 && says == (*conn).heard() {
		return false, nil
	}
	if *conn == nil {
		if *conn, err = r.openPush(p); err != nil {
			return false, err
		}
	}
	c := *conn
	if says != c.said {
		if err := c.link.send(frame{Kind: kindChoose, Chosen: says.claims, Full: says.full}); err != nil {
			return false, err
		}
		c.said = says
	}
	if len(rs) == 0 {
		return false, nil
	}
	return true, c.link.send(recordsFrame(rs))
}

// sleep reports whether it slept for d; it did not if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pushConn is an outgoing push stream.
type pushConn struct {
	link    *link
	said    said
	opened  time.Time
	release func()
	drained chan struct{}
}

// said is what a peer was told of the link: that this node has chosen it, and that it is full. A stream begins with neither.
type said struct{ claims, full bool }

// heard is what the peer was told on the stream, if there is one.
func (c *pushConn) heard() said {
	if c == nil {
		return said{}
	}
	return c.said
}

// openPush opens a push stream. A goroutine reads from it, as that is how a node learns that the
// other side has closed: nothing is ever sent that way.
func (r *Replicator) openPush(p *peer) (*pushConn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
	defer cancel()
	conn, err := r.cfg.Network.Open(ctx, p.id, pushProtocol)
	if err != nil {
		return nil, err
	}
	_, _, release := r.attach(p, conn, pushLimit)
	c := &pushConn{link: r.linkTo(p, conn), opened: time.Now(), release: release, drained: make(chan struct{})}
	go func() {
		awaitEOF(conn)
		close(c.drained)
		p.queue.signal() // a link that this node has chosen is to be claimed anew
	}()
	return c, nil
}

func awaitEOF(conn net.Conn) {
	io.ReadFull(conn, make([]byte, 1)) // the error and a stray byte mean the same
	conn.Close()
}

func (c *pushConn) close() {
	if c != nil {
		c.release()
		<-c.drained
	}
}

// brief reports whether there is a stream, and it has not lasted long.
func (c *pushConn) brief() bool { return c != nil && time.Since(c.opened) < pushSettled }

// broken reports whether the peer has closed the stream.
func (c *pushConn) broken() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.drained:
		return true
	default:
		return false
	}
}

// receivePushes offers what a peer pushes until the stream ends.
func (r *Replicator) receivePushes(ctx context.Context, p *peer, l *link, stream int) {
	defer r.chose(p, stream, false)
	for {
		f, err := l.receive(0)
		if err != nil {
			if ctx.Err() == nil {
				r.blame(p.id, err)
			}
			return
		}
		if f.Kind == kindChoose && !p.local {
			r.chose(p, stream, f.Chosen)
			if f.Full {
				r.avoid(p)
			}
			continue
		}
		if f.Kind != kindRecords {
			r.misbehaved(p.id, "pushed something that is not a record")
			return
		}
		rs := f.records()
		p.queue.drop(rs)
		r.mu.Lock()
		p.heard = time.Now()
		r.mu.Unlock()
		if _, err := r.offer(p, rs); err != nil {
			// The records come again with a session.
			r.cfg.Logger.Warn("pushed records lost", "peer", p.id, "err", err)
			r.markDirty(p)
		}
		if r.ignored(p.id) {
			return
		}
	}
}
