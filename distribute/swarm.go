package distribute

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/internal/lock"
)

// askTimeout bounds a question to one peer.
const askTimeout = 5 * time.Second

// Config is what a swarm works with. Network, Store, Self and Site must be set.
type Config struct {
	Network Network
	Store   *store.Store
	Self    ident.NodeID
	Site    string
	// Providers returns nodes that are said to have a blob, for when no connected peer has it.
	Providers func(Digest) []ident.NodeID
	// Misbehaved is told of peers that sent what they should not have.
	Misbehaved func(id ident.NodeID, reason string)
	// Failing is told of peers that do not give what they said to have, which need not be a lie, or ask for what they may not.
	Failing func(id ident.NodeID, reason string)
	// Changed is called when a blob became complete. Like the others it must not block.
	Changed func()
	Logger  *slog.Logger
	// Urgent reports whether anybody who may say so has said that a blob is urgent; what peers say of it counts only then. It must not
	// block, nor call the swarm. nil: whatever peers say counts.
	Urgent func(Digest) bool
	// Mirrors are asked last, for what no peer gives.
	Mirrors []Mirror
	// MirrorFailed is told when one does not give what it should. It must not block.
	MirrorFailed func(name, reason string)
}

// Swarm fetches and serves blobs. It is safe for concurrent use.
type Swarm struct {
	cfg    Config
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	closed atomic.Bool  // the uplink, for what is fetched
	mates  atomic.Int32 // connected peers of the site

	room    chan struct{} // holds one for each slab between reading and storing
	packers *packers

	mu      lock.Mutex // taken before a task's, held while that waits
	peers   map[ident.NodeID]*neighbour
	tasks   map[Digest]*task
	since   map[Digest]map[uint64]int64 // when other sites, by marks, began to want blobs of this node: see sinceWhen
	past    map[Digest]Progress         // of the tasks that have ended; one for each blob that was ever fetched
	refuted refuted
	heard   map[ident.NodeID]*heard // whose have streams are open
	serving map[ident.NodeID]int    // streams that a peer opened
	arrived chan struct{}           // closed when a peer comes

	expected expectations // of other sites' nodes
}

// NewSwarm starts serving the store's blobs.
func NewSwarm(cfg Config) *Swarm {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Providers == nil {
		cfg.Providers = func(Digest) []ident.NodeID { return nil }
	}
	if cfg.Misbehaved == nil {
		cfg.Misbehaved = func(ident.NodeID, string) {}
	}
	if cfg.Failing == nil {
		cfg.Failing = func(ident.NodeID, string) {}
	}
	if cfg.MirrorFailed == nil {
		cfg.MirrorFailed = func(string, string) {}
	}
	if cfg.Urgent == nil {
		cfg.Urgent = func(Digest) bool { return true }
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	s := &Swarm{
		cfg: cfg, log: cfg.Logger, room: make(chan struct{}, slabMost), packers: newPackers(), arrived: make(chan struct{}),
		peers: map[ident.NodeID]*neighbour{}, tasks: map[Digest]*task{}, since: map[Digest]map[uint64]int64{}, past: map[Digest]Progress{}, refuted: refuted{}, heard: map[ident.NodeID]*heard{}, serving: map[ident.NodeID]int{}, expected: expectations{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	cfg.Network.Handle(haveProtocol, s.serve(s.serveHave))
	cfg.Network.Handle(dagProtocol, s.serve(s.serveDAG))
	cfg.Network.Handle(FetchProtocol, s.serve(s.serveFetch))
	cfg.Network.Handle(holderProtocol, s.serve(s.serveHolder))
	return s
}

// PeerUp tells of a connected peer, and of which site it is.
func (s *Swarm) PeerUp(id ident.NodeID, site string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers[id] != nil || s.ctx.Err() != nil {
		return
	}
	n := newNeighbour(s, id, site)
	s.peers[id] = n
	s.count(n, 1)
	if h := s.heard[id]; h != nil {
		for d := range h.wants {
			n.want(d, true)
		}
	}
	s.dealTo(n)
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.classifyAll()
	s.wg.Go(n.send)
	for _, t := range s.sortedTasks() {
		t.peerUp(n)
	}
}

// PeerDown tells that a peer is gone.
func (s *Swarm) PeerDown(id ident.NodeID) {
	s.mu.Lock()
	n := s.peers[id]
	delete(s.peers, id)
	tasks := s.sortedTasks()
	s.mu.Unlock()
	if n == nil {
		return
	}
	n.cancel()
	s.count(n, -1)
	for _, t := range tasks {
		t.peerDown(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dealFor(s.heard[id])
	s.classifyAll()
}

// count counts the peers of the site: one more, or one less.
func (s *Swarm) count(n *neighbour, d int32) {
	if n.local {
		s.mates.Add(d)
	}
}

// sortedTasks returns the tasks in an order that is the same in every run. The caller holds mu.
func (s *Swarm) sortedTasks() []*task {
	return slices.SortedFunc(maps.Values(s.tasks), func(a, b *task) int {
		return slices.Compare(a.object.Digest[:], b.object.Digest[:])
	})
}

func (s *Swarm) task(d Digest) *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[d]
}

// Fetch returns when the blob is here, whole and checked. It goes on for as long as ctx lasts
// when nobody has the blob. Errors are disk.ErrFull in the chain, store.ErrContradiction if the
// release contradicts itself, which is not tried again for an hour, or ctx's. Several callers share one fetch.
func (s *Swarm) Fetch(ctx context.Context, w store.Want) error { return s.FetchAs(ctx, w, Normal) }

// FetchAs is Fetch of a class: it takes of links what fetches of higher classes leave. A fetch that is shared is of the highest
// class at which anybody of this node's site wants the blob.
func (s *Swarm) FetchAs(ctx context.Context, w store.Want, class Class) error {
	return s.follow(ctx, w, nil, class)
}

// Follow is Fetch, and tells of chunks as they come: more is called with their numbers, and with nil when the chunk list
// is known and what older blobs had of it is here. It must not block, and may be called from several goroutines at once.
func (s *Swarm) Follow(ctx context.Context, w store.Want, more func(chunks []int)) error {
	return s.follow(ctx, w, more, Normal)
}

func (s *Swarm) follow(ctx context.Context, w store.Want, more func(chunks []int), class Class) error {
	s.mu.Lock()
	err := s.refuted.of(w)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	o, err := s.cfg.Store.Begin(w)
	if err != nil {
		return err
	}
	if o.Complete() {
		return nil
	}
	t, err := s.join(o, class)
	if err != nil {
		return err
	}
	defer s.leave(t, class)
	if more != nil {
		t.follow(more)
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		if o.Complete() { // and it was called off because of that, before the task has ended
			return nil
		}
		return ctx.Err()
	}
}

// join counts one more user of the task that fetches a blob, begun if need be.
func (s *Swarm) join(o *store.Object, class Class) (*task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, s.ctx.Err()
	}
	t := s.tasks[o.Digest]
	if t == nil {
		t = newTask(s, o)
		s.tasks[o.Digest] = t
		t.own = class
		t.site.Store(uint32(max(class, s.wantedInSite(o.Digest))))
		for _, n := range s.peers {
			t.peerUp(n)
		}
		s.wg.Go(t.run)
	}
	t.users[class]++
	s.classify(t)
	return t, nil
}

// ended takes a task away. Peers need to tell no more, unless the next task began already.
func (s *Swarm) ended(t *task) {
	s.mu.Lock()
	d := t.object.Digest
	if s.tasks[d] == t {
		delete(s.tasks, d)
	}
	s.past[d] = t.snapshot().after(s.past[d])
	s.refuted.note(t.object.Want, t.err)
	for _, n := range s.peers {
		if s.tasks[d] == nil {
			n.askNoMore(d)
		}
		if t.err == nil {
			n.tellAll(d)
		}
	}
	s.dealOut(d)
	s.mu.Unlock()
	if t.err == nil {
		s.cfg.Changed()
	}
}

// leave ends a task that nobody waits for any more.
func (s *Swarm) leave(t *task, class Class) {
	s.mu.Lock()
	t.users[class]--
	last := t.users.size() == 0
	if !last {
		s.classify(t)
	}
	if last && s.tasks[t.object.Digest] == t {
		delete(s.tasks, t.object.Digest)
	}
	if last {
		t.cancel() // before another may begin: what it says to peers is not to be mixed with what that says
	}
	s.mu.Unlock()
	if last {
		<-t.done
	}
}

// Progress returns how far the fetch of a blob has come, or how far the last one came that this
// swarm ended; false if there was none.
func (s *Swarm) Progress(d Digest) (Progress, bool) {
	s.mu.Lock()
	t, past := s.tasks[d], s.past[d]
	s.mu.Unlock()
	if t == nil {
		return past, past != Progress{}
	}
	p, now := t.snapshot().after(past), time.Now()
	p.Fetching, p.Class, p.Waits = true, t.class(), t.givesWay(now) || t.keptWaiting(now)
	return p, true
}

// Anew has Progress of a blob count from now on: what came of it before is not all here any more.
func (s *Swarm) Anew(d Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.past, d)
}

// Tell lets peers that want a blob know that it is here: it came another way than by Fetch.
func (s *Swarm) Tell(d Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.peers {
		n.tellAll(d)
	}
	s.dealOut(d)
	if t := s.tasks[d]; t != nil {
		t.poke()
	}
}

// Uplink tells whether blobs may come over the uplink now; at first they may. While they may not, nothing is asked of other sites and
// mirrors, and what was asked is waited for; chunk lists come nevertheless.
func (s *Swarm) Uplink(open bool) {
	if s.closed.Swap(!open) == !open {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.sortedTasks() {
		t.poke()
	}
}

// WhoHas asks every connected peer, and others if they can be reached, what it has of a blob. Those who do not answer in time are
// left out.
func (s *Swarm) WhoHas(ctx context.Context, d Digest, others ...ident.NodeID) []Holder {
	s.mu.Lock()
	ids := slices.AppendSeq(slices.Clone(others), maps.Keys(s.peers))
	s.mu.Unlock()
	slices.SortFunc(ids, ident.NodeID.Compare)
	ids = slices.Compact(ids)
	found := make([]*Holder, len(ids))
	var g errgroup.Group
	g.SetLimit(16)
	for i, id := range ids {
		g.Go(func() error {
			h, err := s.ask(ctx, id, d)
			if err == nil {
				found[i] = h
			}
			return nil
		})
	}
	_ = g.Wait() // no goroutine returns an error
	var out []Holder
	for _, h := range found {
		if h != nil && h.Have > 0 || h != nil && h.Complete {
			out = append(out, *h)
		}
	}
	slices.SortStableFunc(out, func(a, b Holder) int { return -cmp.Compare(a.Have, b.Have) })
	return out
}

func (s *Swarm) ask(ctx context.Context, id ident.NodeID, d Digest) (*Holder, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := s.cfg.Network.Open(ctx, id, holderProtocol)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // wakes what waits below
	defer stop()
	if _, err := conn.Write(d[:]); err != nil {
		return nil, err
	}
	var answer [9]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, err
	}
	if answer[0] > 2 {
		return nil, errProtocol
	}
	return &Holder{id, int64(binary.BigEndian.Uint64(answer[1:])), answer[0] == 0}, nil
}

// Close ends all fetches and streams, and returns when nothing of them goes on.
func (s *Swarm) Close() {
	s.cancel()
	s.mu.Lock()
	for _, n := range s.peers {
		n.cancel()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// misbehaviour reports whether an error says that a peer broke a rule.
func misbehaviour(err error) bool {
	if errors.Is(err, store.ErrContradiction) || errors.Is(err, store.ErrOtherRoot) {
		return false // what it sent may be right: the release is wrong, or cut in another way
	}
	return errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrDAG) || errors.Is(err, errProtocol)
}

// misbehaved reports a peer that broke a rule. The caller holds no lock.
func (s *Swarm) misbehaved(id ident.NodeID, err error) {
	if misbehaviour(err) {
		s.cfg.Misbehaved(id, fmt.Sprint(err))
	}
}
