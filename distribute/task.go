package distribute

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// How a task looks for sources when no connected peer has the blob.
const (
	providerPause = 2 * time.Second
	providersMost = 2 // dialled at a time
)

// task fetches one blob.
type task struct {
	swarm  *Swarm
	object *store.Object
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when err is set
	err    error
	users  int // guarded by swarm.mu
	wake   chan struct{}

	mu      sync.Mutex
	sources map[ident.NodeID]*source
	plan    *planner.Planner // nil while the chunk list is not known
	stats   Progress
	began   time.Time
	failure error
}

// source is a peer as a task sees it.
type source struct {
	n       *neighbour
	wants   bool
	bitmap  *store.Bitmap // what it said it has, while there is no plan
	whole   bool
	bad     bool
	fetcher *fetcher // nil while nothing is asked of it
}

func newTask(s *Swarm, o *store.Object) *task {
	t := &task{swarm: s, object: o, done: make(chan struct{}), wake: make(chan struct{}, 1), sources: map[ident.NodeID]*source{}, began: time.Now()}
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	return t
}

func (t *task) poke() {
	select {
	case t.wake <- struct{}{}:
	default: // it is awake
	}
}

func (t *task) run() {
	t.err = t.fetch()
	t.cancel()
	for _, src := range t.allSources() {
		t.drop(src)
		src.n.push(message{kind: msgUnwant, digest: t.object.Digest})
	}
	s := t.swarm
	s.mu.Lock()
	if s.tasks[t.object.Digest] == t {
		delete(s.tasks, t.object.Digest)
	}
	s.mu.Unlock()
	if t.err == nil {
		s.Tell(t.object.Digest)
		s.cfg.Changed()
	}
	close(t.done)
}

// fetch is the task: the chunk list, what older blobs have, the rest from peers, the check of the whole.
func (t *task) fetch() error {
	if err := t.list(); err != nil {
		return err
	}
	if _, err := t.object.FillLocal(); err != nil {
		return err
	}
	t.begin()
	if err := t.chunks(); err != nil {
		_ = t.object.Flush() // the error that matters is the first
		return err
	}
	return t.object.Finish()
}

// begin makes the plan and tells it what is known of the peers; and the peers what is here.
func (t *task) begin() {
	chunks, have := t.object.Chunks(), t.object.Have()
	sizes := make([]int32, len(chunks))
	for i, c := range chunks {
		sizes[i] = c.Size
	}
	t.mu.Lock()
	t.plan = planner.New(planner.Config{Self: t.swarm.cfg.Self, Site: t.swarm.cfg.Site, Blob: t.object.Digest, Sizes: sizes, Have: have.Has})
	for _, src := range t.sources {
		t.introduce(src)
	}
	t.mu.Unlock()
	for _, src := range t.allSources() {
		if src.n.wanting(t.object.Digest) {
			src.n.answer(t.object.Digest)
		}
	}
}

// introduce tells the plan of a source. The caller holds mu.
func (t *task) introduce(src *source) {
	now := time.Now()
	t.plan.PeerUp(src.n.id, src.n.local, now)
	t.plan.PeerWants(src.n.id, src.wants)
	if src.bad {
		t.plan.Bad(src.n.id)
	}
	if src.whole {
		t.plan.PeerHasAll(src.n.id, now)
	} else if src.bitmap != nil && !t.planBitmap(src, now) {
		t.plan.Bad(src.n.id)
	}
}

// planBitmap reports whether the bitmap is one for this blob. The caller holds mu.
func (t *task) planBitmap(src *source, now time.Time) bool {
	if src.bitmap.Len() != len(t.object.Chunks()) {
		return false
	}
	for i := range src.bitmap.Len() {
		if src.bitmap.Has(i) {
			t.plan.PeerHas(src.n.id, i, now)
		}
	}
	src.bitmap = nil
	return true
}

// chunks gets what is missing.
func (t *task) chunks() error {
	looked := time.Now()
	for {
		t.mu.Lock()
		err, done := t.failure, t.plan.Done()
		var e planner.Effects
		if err == nil && !done {
			e = t.plan.Next(time.Now())
		}
		idle := len(e.Requests) == 0 && !t.busy()
		t.mu.Unlock()
		if err != nil || done {
			return err
		}
		t.carryOut(e)
		if idle && time.Since(looked) > providerPause {
			t.seekProviders()
			looked = time.Now()
		}
		if err := t.wait(e.Wake, idle); err != nil {
			return err
		}
	}
}

// busy reports whether anything was asked for. The caller holds mu.
func (t *task) busy() bool {
	for _, src := range t.sources {
		if src.fetcher != nil && src.fetcher.outstanding() > 0 {
			return true
		}
	}
	return false
}

// wait returns when there is something to decide.
func (t *task) wait(until time.Time, idle bool) error {
	pause := time.Minute
	if !until.IsZero() {
		pause = max(0, time.Until(until))
	}
	if idle {
		pause = min(pause, providerPause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
		return t.ctx.Err()
	case <-t.wake:
	case <-timer.C:
	}
	return nil
}

// carryOut ends what was cancelled, and sends the requests.
func (t *task) carryOut(e planner.Effects) {
	for _, id := range e.Cancel {
		if src := t.source(id); src != nil {
			t.drop(src)
		}
	}
	for _, r := range e.Requests {
		src := t.source(r.Peer)
		if src == nil {
			continue // gone since; the plan hears of it too
		}
		t.mu.Lock()
		if src.fetcher == nil {
			src.fetcher = newFetcher(t, src.n)
		}
		f := src.fetcher
		t.mu.Unlock()
		f.request(r.Runs)
	}
}

func (t *task) source(id ident.NodeID) *source {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sources[id]
}

func (t *task) allSources() []*source {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.sources), func(a, b *source) int { return bytes.Compare(a.n.id[:], b.n.id[:]) })
}

// drop ends the exchange with a peer.
func (t *task) drop(src *source) {
	t.mu.Lock()
	f := src.fetcher
	src.fetcher = nil
	t.mu.Unlock()
	if f != nil {
		f.stop()
	}
}

// peerUp adds a peer and asks it to tell what it has. The caller may hold swarm.mu.
func (t *task) peerUp(n *neighbour) {
	t.mu.Lock()
	if t.sources[n.id] == nil {
		src := &source{n: n, wants: n.wanting(t.object.Digest)}
		t.sources[n.id] = src
		if t.plan != nil {
			t.introduce(src)
		}
	}
	t.mu.Unlock()
	n.push(message{kind: msgWant, digest: t.object.Digest})
}

func (t *task) peerDown(id ident.NodeID) {
	src := t.source(id)
	if src == nil {
		return
	}
	t.drop(src)
	t.mu.Lock()
	delete(t.sources, id)
	if t.plan != nil {
		t.plan.PeerGone(id)
	}
	t.mu.Unlock()
	t.poke()
}

func (t *task) peerWants(id ident.NodeID, wants bool) {
	t.mu.Lock()
	if src := t.sources[id]; src != nil {
		src.wants = wants
		if t.plan != nil {
			t.plan.PeerWants(id, wants)
		}
	}
	t.mu.Unlock()
	t.poke()
}

// peerHas takes in what a peer says that it has; it reports whether that fits the blob.
func (t *task) peerHas(id ident.NodeID, m message) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.poke()
	src := t.sources[id]
	if src == nil {
		return true
	}
	now := time.Now()
	switch m.kind {
	case msgWhole:
		src.whole = true
		if t.plan != nil {
			t.plan.PeerHasAll(id, now)
		}
	case msgBitmap:
		src.bitmap = m.bitmap
		if t.plan != nil {
			return t.planBitmap(src, now)
		}
	case msgGot:
		return t.peerGot(src, m.runs, now)
	}
	return true
}

// peerGot adds runs to what a peer has. The caller holds mu.
func (t *task) peerGot(src *source, runs []planner.Run, now time.Time) bool {
	for _, r := range runs {
		for i := r.First; i < r.First+r.Count; i++ {
			switch {
			case t.plan != nil && i < len(t.object.Chunks()):
				t.plan.PeerHas(src.n.id, i, now)
			case t.plan == nil && src.bitmap != nil && i < src.bitmap.Len():
				src.bitmap.Set(i)
			default:
				return t.plan == nil && src.bitmap == nil // it was told before it began to matter
			}
		}
	}
	return true
}

// put stores a chunk that a peer delivered.
func (t *task) put(n *neighbour, i int, data []byte) error {
	fresh, err := t.object.Put(i, data)
	if err != nil {
		return err
	}
	now := time.Now()
	t.mu.Lock()
	if n.local {
		t.stats.FromSite += int64(len(data))
	} else {
		t.stats.FromUplink += int64(len(data))
	}
	t.plan.Got(i, n.id, now)
	for _, k := range fresh {
		if k != i {
			t.plan.Got(k, ident.NodeID{}, now)
		}
	}
	done := t.plan.Done()
	t.mu.Unlock()
	t.tell(fresh)
	if done {
		t.poke()
	}
	return nil
}

// tell lets the peers that want the blob know of new chunks.
func (t *task) tell(chunks []int) {
	if len(chunks) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, src := range t.sources {
		src.n.tellGot(t.object.Digest, chunks)
	}
}

// failed takes note that an exchange with a peer has ended.
func (t *task) failed(f *fetcher, err error) {
	t.mu.Lock()
	src := t.sources[f.n.id]
	if src == nil || src.fetcher != f {
		t.mu.Unlock()
		return // it was ended from here
	}
	src.fetcher = nil
	now := time.Now()
	switch {
	case errors.Is(err, store.ErrCorrupt), errors.Is(err, errProtocol):
		src.bad = true
		t.plan.Bad(f.n.id)
	case errors.Is(err, errLocal):
		t.failure = err
	default:
		t.plan.Failed(f.n.id, now)
	}
	t.mu.Unlock()
	t.swarm.misbehaved(f.n.id, err)
	t.poke()
}

// seekProviders dials nodes that are said to have the blob; that they are up is told by the network.
func (t *task) seekProviders() {
	dialled := 0
	for _, id := range t.swarm.cfg.Providers(t.object.Digest) {
		if t.source(id) != nil || id == t.swarm.cfg.Self {
			continue
		}
		if dialled++; dialled > providersMost {
			return
		}
		if _, err := t.swarm.ask(t.ctx, id, t.object.Digest); err != nil {
			t.swarm.log.Debug("distribute: cannot reach a provider", "node", id, "err", err)
		}
	}
}

func (t *task) snapshot() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.stats
	for _, src := range t.sources {
		if src.whole || src.bitmap != nil {
			p.Peers++
		}
	}
	if d := time.Since(t.began).Seconds(); d > 0 {
		p.Rate = float64(p.FromSite+p.FromUplink) / d
	}
	return p
}
