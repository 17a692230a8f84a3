package distribute

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"selvage/internal/ident"
)

var (
	errOtherBlob = fmt.Errorf("%w: it has chunks of another blob", errProtocol)
	errTooMany   = fmt.Errorf("%w: it wants more than %d blobs", errProtocol, maxWants)
	errStale     = errors.New("stream is not the peer's newest, or its connection was lost")
)

// heard is what a peer said on the have stream that it has open. It outlives what the network
// says of connections: a stream may be served before the news that its peer is there.
type heard struct {
	conn  net.Conn             // the stream
	wants map[Digest]Class     // at most maxWants; guarded by swarm.mu, like the rest
	takes map[Digest]time.Time // when it said last that it is getting something over the uplink
	given map[Digest]time.Time // until when it is taken to be given something of what it wants
	deals map[Digest][]asker   // among which sites it deals the blobs that are there, if it is of this site; at most maxWants
}

// serveHave takes in what a peer says that it has and wants.
func (s *Swarm) serveHave(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	h := s.listen(from, conn)
	defer s.unlisten(from, h)
	r := bufio.NewReader(conn)
	for {
		m, err := readMessage(r)
		if err == nil {
			err = s.hear(from, h, m)
		}
		if err != nil {
			s.misbehaved(from, err)
			return
		}
	}
}

// listen begins a have stream, on which nothing is wanted yet. It takes the place of an older one, which is ended: streams may arrive in another
// order than they were opened in, and a peer whose newest it is says all again once that ends.
func (s *Swarm) listen(from ident.NodeID, conn net.Conn) *heard {
	h := &heard{conn: conn, wants: map[Digest]Class{}, takes: map[Digest]time.Time{}, given: map[Digest]time.Time{}, deals: map[Digest][]asker{}}
	if older := s.supersede(from, h); older != nil {
		reset(older.conn)
	}
	return h
}

func (s *Swarm) supersede(from ident.NodeID, h *heard) (older *heard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	older = s.heard[from]
	s.heard[from] = h
	if n := s.peers[from]; n != nil {
		n.wantNothing()
	}
	s.dealFor(older)
	s.classifyAll()
	return older
}

// unlisten ends it. The peer will say again what it wants, on the next.
func (s *Swarm) unlisten(from ident.NodeID, h *heard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[from] != h {
		return
	}
	delete(s.heard, from)
	if n := s.peers[from]; n != nil {
		n.wantNothing()
	}
	s.dealFor(h)
	s.classifyAll()
}

// hear acts on one message; an error ends the stream.
func (s *Swarm) hear(from ident.NodeID, h *heard, m message) error {
	class, wants := m.wanted()
	switch {
	case wants, m.kind == msgUnwant:
		return s.hearWant(from, h, m.digest, class, wants)
	case m.kind == msgDeals:
		return s.hearDeals(from, h, m)
	case m.kind == msgTaking:
		s.hearTaking(h, m)
	}
	t := s.task(m.digest)
	if t == nil {
		return nil
	}
	n := s.await(from)
	if n == nil {
		return errStale
	}
	if !t.peerHas(n, m) {
		return errOtherBlob
	}
	return nil
}

// hearWant notes that a peer wants a blob, or no more.
func (s *Swarm) hearWant(from ident.NodeID, h *heard, d Digest, class Class, wants bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard[from] != h {
		return errStale
	}
	delete(h.takes, d)
	delete(h.given, d)
	if !wants {
		delete(h.wants, d)
	} else if h.wants[d] = class; len(h.wants) > maxWants {
		return errTooMany
	}
	if n := s.peers[from]; n != nil {
		n.want(d, wants)
		s.dealOut(d)
		if wants {
			s.expects(n, h, d)
		}
	}
	if t := s.tasks[d]; t != nil {
		t.peerWants(from, wants)
		s.classify(t)
	}
	return nil
}

// await returns a connected peer; its first stream may be here before the news of itself. It
// returns nil if the peer does not come soon.
func (s *Swarm) await(id ident.NodeID) *neighbour {
	ctx, cancel := context.WithTimeout(s.ctx, askTimeout)
	defer cancel()
	for {
		s.mu.Lock()
		n, arrived := s.peers[id], s.arrived
		s.mu.Unlock()
		if n != nil {
			return n
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil
		}
	}
}
