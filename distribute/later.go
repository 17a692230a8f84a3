package distribute

import (
	"context"
	"net"
	"time"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// What is fetched for later gives way, on every uplink, to what is wanted now. A node asks nothing for it of other sites while
// something that is wanted now comes to its site, as far as its mates tell, and gives other sites nothing of it while it gives them
// something that they want now. Inside the site both spread as they can.

const (
	// What comes over the uplink is taken to go on for so long after the last sign of it: the node's own, and its mates', who tell
	// of it every planner.tellAgain.
	crossFresh = 2 * time.Second
	takeFresh  = 5 * time.Second
	// giveFresh is likewise of what is given to another site, until that says that it wants no more.
	giveFresh = 5 * time.Second
	// lookAgain is how often who gives way looks whether it has to.
	lookAgain = 500 * time.Millisecond
	// giveSlice is how many bytes go to another site at once.
	giveSlice = 16 << 10
)

// Prefetch is Fetch of what is wanted later: it takes of uplinks what fetches that are not for later leave. If somebody at this node
// or site wants the blob now, it does not wait.
func (s *Swarm) Prefetch(ctx context.Context, w store.Want) error { return s.follow(ctx, w, nil, true) }

// GivesWay reports whether the fetch of a blob waits for what is wanted now.
func (s *Swarm) GivesWay(d Digest) bool {
	t := s.task(d)
	return t != nil && t.givesWay(time.Now())
}

// wantOf is how a peer is asked for the blob: mates are told what this node wants, other sites what the site does, so that no two
// mates hurry each other for ever.
func (t *task) wantOf(n *neighbour) byte {
	if n.local && t.own || !n.local && t.later.Load() {
		return msgLater
	}
	return msgWant
}

// classify finds out whether anybody wants a blob now, and tells peers if that has changed. The caller holds mu.
func (s *Swarm) classify(t *task) {
	own := t.hurried == 0
	later := own && !s.hurries(t.object.Digest)
	if own == t.own && later == t.later.Load() {
		return
	}
	t.own = own
	t.later.Store(later)
	for _, n := range s.peers {
		n.ask(t.object.Digest, t.wantOf(n))
	}
	t.poke()
}

// classifyAll is classify of every task. The caller holds mu.
func (s *Swarm) classifyAll() {
	for _, t := range s.sortedTasks() {
		s.classify(t)
	}
}

// hurries reports whether a node of the site wants a blob now. The caller holds mu.
func (s *Swarm) hurries(d Digest) bool {
	for id, h := range s.heard {
		if n := s.peers[id]; n != nil && n.local && h.wants[d] {
			return true
		}
	}
	return false
}

// hearTaking notes that a peer is getting something over the uplink that it wants now.
func (s *Swarm) hearTaking(h *heard, m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !h.wants[m.digest] || len(m.runs) == 0 {
		delete(h.takes, m.digest)
		return
	}
	h.takes[m.digest] = time.Now()
}

// crosses notes that something of the blob is asked for, or comes, over the uplink.
func (t *task) crosses(now time.Time) { t.crossed.Store(now.UnixNano()) }

// givesWay reports whether the task is for later and something that is wanted now comes to the site. The caller holds no lock.
func (t *task) givesWay(now time.Time) bool {
	return t.later.Load() && !mutant.On(mutant.LaterPushesIn) && t.swarm.hurried(now)
}

// shut reports whether nothing may come over the uplink. The caller holds no lock.
func (t *task) shut(now time.Time) bool { return t.swarm.closed.Load() || t.givesWay(now) }

// hurried reports whether something that is wanted now comes to the site.
func (s *Swarm) hurried(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if !t.later.Load() && now.UnixNano()-t.crossed.Load() < int64(crossFresh) {
			return true
		}
	}
	for id, h := range s.heard {
		if n := s.peers[id]; n == nil || !n.local {
			continue
		}
		for _, at := range h.takes {
			if now.Sub(at) < takeFresh {
				return true
			}
		}
	}
	return false
}

// given reports whether something goes to other sites that they want now.
func (s *Swarm) given(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.heard {
		for _, at := range h.given {
			if now.Sub(at) < giveFresh {
				return true
			}
		}
	}
	return false
}

// give sends a peer some of a blob. To another site what it wants later goes when nothing goes that is wanted now, and anything a little at
// a time, so that either is seen soon. It waits no longer than somebody wants it: until left is closed.
func (s *Swarm) give(to ident.NodeID, conn net.Conn, d Digest, data []byte, left <-chan struct{}) error {
	for len(data) > 0 {
		far, later := s.wantedBy(to, d)
		if !far {
			return write(conn, data)
		}
		if later && s.given(time.Now()) && s.ctx.Err() == nil {
			select {
			case <-left:
				return net.ErrClosed
			case <-time.After(lookAgain):
			}
			continue
		}
		n := min(len(data), giveSlice)
		if err := write(conn, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// wantedBy reports whether a peer is of another site, and what it gets of a blob is for later. If it is for now, it is noted.
func (s *Swarm) wantedBy(id ident.NodeID, d Digest) (far, later bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, h := s.peers[id], s.heard[id]
	if n == nil || n.local || h == nil {
		return n != nil && !n.local, false
	}
	now, wants := h.wants[d]
	if now {
		h.given[d] = time.Now()
	}
	return true, wants && !now && !mutant.On(mutant.LaterPushesIn)
}
