package distribute

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// How long news of chunks are gathered before they are told.
const (
	localTell  = 50 * time.Millisecond
	uplinkTell = 500 * time.Millisecond
	tellRetry  = time.Second
)

// neighbour is a connected peer: what it wants to know of, and what it is still to be told.
type neighbour struct {
	swarm  *Swarm
	id     ident.NodeID
	local  bool
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // holds one

	mu    sync.Mutex
	wants map[Digest]bool // what it asked to be told of
	queue []message       // to be sent, in order; news of chunks are gathered in got
	got   map[Digest][]int
}

func newNeighbour(s *Swarm, id ident.NodeID, local bool) *neighbour {
	n := &neighbour{swarm: s, id: id, local: local, wake: make(chan struct{}, 1), wants: map[Digest]bool{}, got: map[Digest][]int{}}
	n.ctx, n.cancel = context.WithCancel(s.ctx)
	return n
}

func (n *neighbour) poke() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake
	}
}

// push queues a message. Their number is bounded by the blobs that this node and the peer want.
func (n *neighbour) push(m message) {
	n.mu.Lock()
	n.queue = append(n.queue, m)
	n.mu.Unlock()
	n.poke()
}

// tellGot gathers chunks that are new here, if the peer wants to know.
func (n *neighbour) tellGot(d Digest, chunks []int) {
	n.mu.Lock()
	wanted := n.wants[d]
	if wanted {
		n.got[d] = append(n.got[d], chunks...)
	}
	n.mu.Unlock()
	if wanted {
		n.poke()
	}
}

// tellWhole says that the blob is here, if the peer wants to know.
func (n *neighbour) tellWhole(d Digest) {
	n.mu.Lock()
	wanted := n.wants[d]
	if wanted {
		delete(n.got, d)
		n.queue = append(n.queue, message{kind: msgWhole, digest: d})
	}
	n.mu.Unlock()
	if wanted {
		n.poke()
	}
}

// answer tells a peer that began to want a blob what there is of it.
func (n *neighbour) answer(d Digest) {
	o, ok := n.swarm.cfg.Store.Object(d)
	if !ok {
		return
	}
	if o.Complete() {
		n.push(message{kind: msgWhole, digest: d})
	} else if have := o.Have(); have != nil {
		n.push(message{kind: msgBitmap, digest: d, bitmap: have})
	}
}

// want notes that the peer wants to be told, or not any more; it reports whether that is within bounds.
func (n *neighbour) want(d Digest, wants bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !wants {
		delete(n.wants, d)
		delete(n.got, d)
		return true
	}
	n.wants[d] = true
	return len(n.wants) <= maxWants
}

func (n *neighbour) wanting(d Digest) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wants[d]
}

// take returns what is to be sent now.
func (n *neighbour) take() []message {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.queue
	n.queue = nil
	digests := make([]Digest, 0, len(n.got))
	for d := range n.got {
		digests = append(digests, d)
	}
	slices.SortFunc(digests, func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
	for _, d := range digests {
		for runs := runsOf(n.got[d]); len(runs) > 0; {
			m := min(len(runs), maxGotRuns)
			out = append(out, message{kind: msgGot, digest: d, runs: runs[:m]})
			runs = runs[m:]
		}
	}
	clear(n.got)
	return out
}

// runsOf sums chunks up.
func runsOf(chunks []int) []planner.Run {
	slices.Sort(chunks)
	var runs []planner.Run
	for _, i := range slices.Compact(chunks) {
		if k := len(runs) - 1; k >= 0 && runs[k].First+runs[k].Count == i {
			runs[k].Count++
		} else {
			runs = append(runs, planner.Run{First: i, Count: 1})
		}
	}
	return runs
}

// send carries messages to the peer for as long as it is connected. A stream that breaks is
// opened again; what was lost with it is told anew.
func (n *neighbour) send() {
	var conn net.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	pause := localTell
	if !n.local {
		pause = uplinkTell
	}
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.wake:
		}
		batch := n.take()
		if len(batch) == 0 {
			continue
		}
		if conn = n.deliver(conn, batch); conn == nil {
			n.recall()
			sleep(n.ctx, tellRetry)
			continue
		}
		sleep(n.ctx, pause)
	}
}

// deliver sends a batch, on a new stream if there is none; nil means that it failed.
func (n *neighbour) deliver(conn net.Conn, batch []message) net.Conn {
	if conn == nil {
		ctx, cancel := context.WithTimeout(n.ctx, askTimeout)
		defer cancel()
		var err error
		if conn, err = n.swarm.cfg.Network.Open(ctx, n.id, haveProtocol); err != nil {
			return nil
		}
	}
	var b []byte
	for _, m := range batch {
		b = m.append(b)
	}
	stop := context.AfterFunc(n.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends a write that hangs
	defer stop()
	if _, err := conn.Write(b); err != nil {
		_ = conn.Close()
		return nil
	}
	return conn
}

// recall queues again what the peer has to know, after a stream broke.
func (n *neighbour) recall() {
	n.mu.Lock()
	wants := make([]Digest, 0, len(n.wants))
	for d := range n.wants {
		wants = append(wants, d)
	}
	n.queue = nil
	n.mu.Unlock()
	for _, d := range wants {
		n.answer(d)
	}
	n.swarm.mu.Lock()
	defer n.swarm.mu.Unlock()
	for _, t := range n.swarm.sortedTasks() {
		n.push(message{kind: msgWant, digest: t.object.Digest})
	}
	n.poke()
}

// serveHave takes in what a peer says that it has and wants.
func (s *Swarm) serveHave(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(s.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends the read below
	defer stop()
	r := bufio.NewReader(conn)
	for {
		m, err := readMessage(r)
		if err != nil {
			s.misbehaved(from, err)
			return
		}
		n := s.await(from)
		if n == nil { // its connection was lost: it will say all of it again on the next
			return
		}
		if !s.hear(n, m) {
			s.misbehaved(from, errProtocol)
			return
		}
	}
}

// hear acts on one message; it reports whether the peer kept to the bounds.
func (s *Swarm) hear(n *neighbour, m message) bool {
	t := s.task(m.digest)
	switch m.kind {
	case msgWant, msgUnwant:
		if !n.want(m.digest, m.kind == msgWant) {
			return false
		}
		if m.kind == msgWant {
			n.answer(m.digest)
		}
		if t != nil {
			t.peerWants(n.id, m.kind == msgWant)
		}
	default:
		if t != nil {
			return t.peerHas(n.id, m)
		}
	}
	return true
}

// sleep returns early when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
