package distribute

import (
	"net"
	"time"

	"selvage/internal/ident"
)

// What is of a lower class gives way, on every link, to what is of a higher one. A node asks nothing for it of other sites while
// something of a higher class comes to its site, as far as its mates tell and are to be believed: see forbear.go. It gives nothing of it to
// other sites while it gives any of them something of a higher class. To its mates it gives what they want in the same order.

const (
	// What comes over the uplink is taken to go on for so long after the last sign of it: the node's own, and its mates', who tell
	// of it every planner.tellAgain.
	crossFresh = 2 * time.Second
	takeFresh  = 5 * time.Second
	// lookAgain is how often who gives way looks whether it has to.
	lookAgain = 500 * time.Millisecond
)

// lane is how bytes go to the peers of one kind.
type lane struct {
	// A slice is taken to be on its way for busy, since who gets it may be stuck; and what is given to go on for fresh after it, until
	// who gets it says that it wants no more.
	busy, fresh time.Duration
	look        time.Duration // how often what gives way looks whether it has to
	tell        time.Duration // how often who waits is told so: less than it may take for stuck
	// slice is how many bytes go at once, and sliceLater how many of what is for later, which is often overtaken. The end of each goes in a
	// packet of its own, as QUIC cannot know that more follows: of slices of 16 KiB that is 0.4% of what crosses an uplink.
	slice, sliceLater int
}

var (
	farLane = lane{busy: 5 * time.Second, fresh: 5 * time.Second, look: lookAgain, tell: 10 * time.Second,
		slice: 64 << 10, sliceLater: 16 << 10}
	// mateLane is for a LAN, on which what comes over an uplink leaves gaps: they are used.
	mateLane = lane{busy: 2 * time.Second, fresh: 100 * time.Millisecond, look: 50 * time.Millisecond, tell: 1500 * time.Millisecond,
		slice: sendBuffer + 1, sliceLater: sendBuffer + 1}
)

func (n *neighbour) lane() lane {
	if n.local {
		return mateLane
	}
	return farLane
}

// GivesWay reports whether the fetch of a blob waits for others of a higher class.
func (s *Swarm) GivesWay(d Digest) bool {
	t := s.task(d)
	return t != nil && t.givesWay(time.Now())
}

// class is how much the site wants the blob.
func (t *task) class() Class { return Class(t.site.Load()) }

// wantOf is how a peer is asked for the blob: mates are told what this node wants, other sites what the site does, so that no two
// mates hurry each other for ever.
func (t *task) wantOf(n *neighbour) byte {
	if n.local {
		return wants[t.own]
	}
	return wants[t.class()]
}

// classify finds out how much the blob is wanted, and tells peers if that has changed. The caller holds mu.
func (s *Swarm) classify(t *task) {
	own := t.users.class()
	site := max(own, s.wantedInSite(t.object.Digest))
	if own == t.own && site == t.class() {
		return
	}
	t.own = own
	t.site.Store(uint32(site))
	for _, n := range s.peers {
		n.askFor(t)
	}
	t.poke()
}

// classifyAll is classify of every task. The caller holds mu.
func (s *Swarm) classifyAll() {
	for _, t := range s.sortedTasks() {
		s.classify(t)
	}
}

// wantedInSite is the highest class at which other nodes of the site want a blob. The caller holds mu.
func (s *Swarm) wantedInSite(d Digest) (most Class) {
	for id, h := range s.heard {
		if n := s.peers[id]; n != nil && n.local {
			most = max(most, s.wantOfPeer(h, d))
		}
	}
	return most
}

// wantOfPeer is the class at which a peer wants a blob, as far as it is believed. The caller holds mu.
func (s *Swarm) wantOfPeer(h *heard, d Digest) Class {
	if class := h.wants[d]; class < Urgent || s.cfg.Urgent(d) {
		return class
	}
	return Normal
}

// hearTaking notes that a peer is getting something over the uplink.
func (s *Swarm) hearTaking(h *heard, m message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, wants := h.wants[m.digest]; !wants || len(m.runs) == 0 {
		delete(h.takes, m.digest)
		return
	}
	h.takes[m.digest] = time.Now()
}

// crosses notes that something of the blob is asked for, or comes, over the uplink.
func (t *task) crosses(now time.Time) { t.crossed.Store(now.UnixNano()) }

// keptWaiting reports whether a peer that was asked for something gives others what they want more. The caller holds no lock.
func (t *task) keptWaiting(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, src := range t.sources {
		if src.fetcher != nil && src.waits(now) {
			return true
		}
	}
	return false
}

// waits reports whether the peer said of late that what it was asked for waits.
func (src *source) waits(now time.Time) bool { return now.Sub(src.waited) < 2*src.n.lane().tell }

// shut reports whether nothing may come over the uplink. The caller holds no lock.
func (t *task) shut(now time.Time) bool { return t.swarm.closed.Load() || t.givesWay(now) }

// going is the highest class of what goes to mates, or to other sites. The caller holds mu.
func (s *Swarm) going(mates bool, now time.Time) (most Class) {
	for id, h := range s.heard {
		n := s.peers[id]
		if n == nil || n.local != mates {
			continue
		}
		for d, until := range h.given {
			if now.Before(until) {
				most = max(most, s.wantOfPeer(h, d))
			}
		}
	}
	return most
}

// expects has what is of a lower class give way already when a peer says that it wants a blob, if some of it is here: else as much of
// that as the links hold would go before the first of the blob. If it asks for nothing, that ends. The caller holds mu.
func (s *Swarm) expects(n *neighbour, h *heard, d Digest) {
	if n.local {
		return
	}
	if o, ok := s.cfg.Store.Object(d); ok && o.Info().Have > 0 {
		h.given[d] = s.expected.want(n.id, time.Now())
	}
}

// give sends a peer some of a blob, a little at a time and what is of a lower class when nothing goes of a higher one, so that either
// is seen soon. It waits no longer than somebody wants it: until left is closed.
func (s *Swarm) give(to ident.NodeID, conn net.Conn, d Digest, data []byte, left <-chan struct{}) error {
	var told time.Time
	for len(data) > 0 {
		l, waits := s.mayGive(to, d)
		if waits && s.ctx.Err() == nil {
			if time.Since(told) >= l.tell {
				s.tellWaits(to, d)
				told = time.Now()
			}
			select {
			case <-left:
				return net.ErrClosed
			case <-time.After(l.look):
			}
			continue
		}
		n := min(len(data), l.slice)
		if err := write(conn, data[:n]); err != nil {
			return err
		}
		s.gave(to, d)
		data = data[n:]
	}
	return nil
}

func (s *Swarm) tellWaits(to ident.NodeID, d Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.peers[to]; n != nil {
		n.tellWaits(d)
	}
}

// mayGive reports how a peer is given some of a blob, and whether that waits; if not, it is noted.
func (s *Swarm) mayGive(id ident.NodeID, d Digest) (l lane, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, h := s.peers[id], s.heard[id]
	if n == nil {
		return mateLane, false
	}
	if h == nil {
		return n.lane(), false
	}
	l = n.lane()
	if _, wants := h.wants[d]; !wants {
		return l, false
	}
	now, class := time.Now(), s.wantOfPeer(h, d)
	if class.yields(s.going(n.local, now)) {
		return l, true
	}
	if class == Later {
		l.slice = l.sliceLater
	}
	h.given[d] = now.Add(l.busy)
	return l, false
}

// gave notes that a peer was given something.
func (s *Swarm) gave(id ident.NodeID, d Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected.given(id)
	n, h := s.peers[id], s.heard[id]
	if n == nil || h == nil {
		return
	}
	if _, wants := h.wants[d]; wants {
		h.given[d] = time.Now().Add(n.lane().fresh)
	}
}
