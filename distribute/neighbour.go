package distribute

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"selvage/distribute/planner"
	"selvage/internal/ident"
)

// How long news of chunks are gathered before they are told.
const (
	localTell  = 50 * time.Millisecond
	uplinkTell = 500 * time.Millisecond
)

// How soon a have stream that broke is opened again: twice as long each time.
const (
	tellRetry    = time.Second
	maxTellRetry = 16 * time.Second
)

// maxNews bounds the chunks that wait to be told of one blob; beyond, all is told instead.
const maxNews = 4096

// neighbour is a connected peer: what it wants to know of, and what it is still to be told. What
// is to be told is kept by blob, not as a queue of messages, so that a peer that does not listen
// costs no more than the blobs that it and this node want.
type neighbour struct {
	swarm  *Swarm
	id     ident.NodeID
	local  bool
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // holds one

	mu    sync.Mutex
	wants map[Digest]bool  // what it asked to be told of
	asks  map[Digest]bool  // what it is to be asked to tell of, or no more
	all   map[Digest]bool  // of which it is to be told all that is here
	news  map[Digest][]int // new chunks that it is to be told
}

func newNeighbour(s *Swarm, id ident.NodeID, local bool) *neighbour {
	n := &neighbour{
		swarm: s, id: id, local: local, wake: make(chan struct{}, 1),
		wants: map[Digest]bool{}, asks: map[Digest]bool{}, all: map[Digest]bool{}, news: map[Digest][]int{},
	}
	n.ctx, n.cancel = context.WithCancel(s.ctx)
	return n
}

func (n *neighbour) poke() {
	select {
	case n.wake <- struct{}{}:
	default: // it is awake
	}
}

// ask has the peer asked to tell of a blob, or to tell no more.
func (n *neighbour) ask(d Digest, want bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asks[d] = want
	n.poke()
}

// tellGot gathers chunks that are new here, if the peer wants to know.
func (n *neighbour) tellGot(d Digest, chunks []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.wants[d] || n.all[d] {
		return
	}
	if n.news[d] = append(n.news[d], chunks...); len(n.news[d]) > maxNews {
		n.all[d] = true
		delete(n.news, d)
	}
	n.poke()
}

// tellAll has the peer told all that is here of a blob, if it wants to know.
func (n *neighbour) tellAll(d Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wants[d] {
		n.all[d] = true
		delete(n.news, d)
		n.poke()
	}
}

// want notes that the peer wants to be told of a blob, or no more. What is here is told at once.
func (n *neighbour) want(d Digest, wants bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.news, d)
	if wants {
		n.wants[d], n.all[d] = true, true
		n.poke()
	} else {
		delete(n.wants, d)
		delete(n.all, d)
	}
}

// wantNothing forgets what the peer asked for, with the stream on which it did.
func (n *neighbour) wantNothing() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.wants)
	clear(n.all)
	clear(n.news)
}

func (n *neighbour) wanting(d Digest) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wants[d]
}

// take returns what is to be sent now, by digest within each kind.
func (n *neighbour) take() []message {
	n.mu.Lock()
	var out []message
	for _, d := range sortedDigests(n.asks) {
		kind := byte(msgUnwant)
		if n.asks[d] {
			kind = msgWant
		}
		out = append(out, message{kind: kind, digest: d})
	}
	all := sortedDigests(n.all)
	for _, d := range sortedDigests(n.news) {
		for runs := range slices.Chunk(runsOf(n.news[d]), maxGotRuns) {
			out = append(out, message{kind: msgGot, digest: d, runs: runs})
		}
	}
	clear(n.asks)
	clear(n.all)
	clear(n.news)
	n.mu.Unlock() // the store may be slow
	for _, d := range all {
		if m, ok := n.swarm.holding(d); ok {
			out = append(out, m)
		}
	}
	return out
}

// holding returns the message that says all that is here of a blob, if there is anything to say.
func (s *Swarm) holding(d Digest) (message, bool) {
	o, ok := s.cfg.Store.Object(d)
	if !ok {
		return message{}, false
	}
	if o.Complete() {
		return message{kind: msgWhole, digest: d}, true
	}
	have := o.Have()
	return message{kind: msgBitmap, digest: d, bitmap: have}, have != nil
}

func sortedDigests[V any](m map[Digest]V) []Digest {
	out := make([]Digest, 0, len(m))
	for d := range m {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
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

// mouth is an open have stream to a peer.
type mouth struct {
	net.Conn
	opened time.Time
	broken atomic.Bool
}

// send carries messages to the peer for as long as it is connected. A stream that breaks is
// opened again, and begins with all that there is to say: what was on the old one may be lost.
func (n *neighbour) send() {
	var out *mouth
	pause, retry := localTell, tellRetry
	if !n.local {
		pause = uplinkTell
	}
	for {
		select {
		case <-n.ctx.Done():
			out.close()
			return
		case <-n.wake:
		}
		if out != nil && out.broken.Load() {
			out.close()
			if time.Since(out.opened) > maxTellRetry {
				retry = tellRetry
			}
			out = nil
			sleep(n.ctx, retry) // a peer that ends every stream is not to be pestered
			retry = min(2*retry, maxTellRetry)
		}
		if out == nil {
			n.recall()
		}
		batch := n.take()
		if len(batch) == 0 {
			continue
		}
		if out = n.deliver(out, batch); out == nil {
			sleep(n.ctx, retry)
			retry = min(2*retry, maxTellRetry)
			n.poke()
			continue
		}
		sleep(n.ctx, pause)
	}
}

func (m *mouth) close() {
	if m != nil {
		_ = m.Close()
	}
}

// deliver sends a batch, on a new stream if there is none; nil means that it failed.
func (n *neighbour) deliver(out *mouth, batch []message) *mouth {
	if out == nil {
		if out = n.open(); out == nil {
			return nil
		}
	}
	var b []byte
	for _, m := range batch {
		b = m.append(b)
	}
	stop := context.AfterFunc(n.ctx, func() { reset(out.Conn) }) // ends a write that hangs
	defer stop()
	if err := write(out, b); err != nil {
		reset(out.Conn)
		return nil
	}
	for _, m := range batch {
		n.swarm.said(n.id, m)
	}
	return out
}

// open opens a have stream, and has it watched: the peer never writes on it, so that whatever ends
// a read is its end.
func (n *neighbour) open() *mouth {
	ctx, cancel := context.WithTimeout(n.ctx, askTimeout)
	defer cancel()
	conn, err := n.swarm.cfg.Network.Open(ctx, n.id, haveProtocol)
	if err != nil {
		return nil
	}
	out := &mouth{Conn: conn, opened: time.Now()}
	n.swarm.wg.Go(func() {
		_, _ = conn.Read(make([]byte, 1))
		out.broken.Store(true)
		n.poke()
	})
	return out
}

// recall notes all that the peer has to know.
func (n *neighbour) recall() {
	n.swarm.mu.Lock()
	defer n.swarm.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.asks)
	clear(n.news)
	for d := range n.swarm.tasks {
		n.asks[d] = true
	}
	for d := range n.wants {
		n.all[d] = true
	}
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
