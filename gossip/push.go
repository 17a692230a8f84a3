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

// pushLimit is when a push stream is replaced, which bounds how long a forgotten one stays.
const pushLimit = 24 * time.Hour

// Push sends a record to the neighbours that should have it from this node. from is the peer that
// it came from; zero says that it is this node's own. Push never blocks: what finds a neighbour's
// queue full is left to the next session with that neighbour, which then comes at once.
func (r *Replicator) Push(rec Record, from ident.NodeID) {
	if len(rec.Feed) == 0 || len(rec.Feed) > MaxFeed || len(rec.Data) > MaxData {
		r.cfg.Logger.Error("record out of bounds", "feed", rec.Feed, "bytes", len(rec.Data))
		return
	}
	site := r.cfg.Log.Site(rec.Feed)
	mates := r.cfg.Mates()
	onDuty := duty(rec.Feed, mates, r.cfg.Self)
	r.mu.Lock()
	src := source{own: from.IsZero() || from == r.cfg.Self}
	if p := r.peers[from]; p != nil {
		src.local = p.local
	} else {
		src.local = slices.Contains(mates, from)
	}
	var full []*peer
	for id, p := range r.peers {
		if id == from || !relays(src, p.local, site, onDuty) || r.ignoredUntil(id).After(time.Now()) {
			continue
		}
		if !p.queue.put(rec) {
			full = append(full, p)
		}
	}
	r.mu.Unlock()
	for _, p := range full {
		r.markDirty(p)
	}
}

// source says where a record came from.
type source struct {
	own   bool
	local bool // from a peer of this site
}

// relays reports whether a record is pushed to a neighbour. What this node wrote goes to all. What
// came over the edge of the site goes to all inside. Anything else crosses the edge, or goes round
// inside once more, only through the nodes on duty: within a site most have it from its author.
func relays(src source, toLocal, siteFeed, onDuty bool) bool {
	switch {
	case siteFeed && !toLocal:
		return false
	case src.own:
		return true
	case toLocal && !src.local:
		return true
	default:
		return onDuty
	}
}

// push sends a peer's queue to it for as long as it is up. The stream is opened with the first
// record and kept.
func (r *Replicator) push(p *peer) {
	var conn *pushConn
	defer func() { conn.close() }()
	failures := 0
	for {
		rs := p.queue.take(p.ctx)
		if rs == nil {
			return
		}
		var err error
		if conn == nil {
			conn, err = r.openPush(p)
		}
		if err == nil {
			err = conn.link.send(recordsFrame(rs))
		}
		if err == nil {
			failures = 0
			continue
		}
		r.cfg.Logger.Debug("push failed", "peer", p.id, "err", err)
		conn.close()
		conn = nil
		r.markDirty(p)
		failures++
		wait := firstRetry << min(failures-1, 5)
		if !sleep(p.ctx, wait/2+rand.N(wait)) {
			return
		}
	}
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
	release func()
	drained chan struct{}
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
	c := &pushConn{link: r.linkTo(p, conn), release: release, drained: make(chan struct{})}
	go func() {
		defer close(c.drained)
		awaitEOF(conn)
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

// receivePushes offers what a peer pushes until the stream ends.
func (r *Replicator) receivePushes(ctx context.Context, p *peer, l *link) {
	for {
		f, err := l.receive(0)
		if err != nil {
			if ctx.Err() == nil {
				r.blame(p.id, err)
			}
			return
		}
		if f.Kind != kindRecords {
			r.misbehaved(p.id, "pushed something that is not a record")
			return
		}
		if _, err := r.offer(p, f.records()); err != nil {
			// The records come again with a session.
			r.cfg.Logger.Warn("pushed records lost", "peer", p.id, "err", err)
			r.markDirty(p)
		}
		if r.ignored(p.id) {
			return
		}
	}
}
