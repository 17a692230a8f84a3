package distribute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/internal/lock"
)

// task fetches one blob.
type task struct {
	swarm  *Swarm
	object *store.Object
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when err is set and no goroutine of the task is left
	err    error
	users  crowd // guarded by swarm.mu, like the next
	own    Class // of the users, as other nodes of the site were told
	// site is the highest class at which a node of the site wants it, as other sites were told; only changed with swarm.mu held.
	site atomic.Uint32
	// forbears is how long it has waited for what mates say.
	forbears forbearance
	crossed  atomic.Int64 // when something of it came over the uplink last, or was asked for: nanoseconds of Unix
	wake     chan struct{}
	wg       sync.WaitGroup // of fetchers, and the search for providers

	mu      lock.Mutex // held while the object is asked, which may wait for the disk
	sources map[ident.NodeID]*source
	mirrors []*mirror             // never changed; what is in them is guarded by mu
	bad     map[ident.NodeID]bool // sent what it should not have: not asked again, even if it comes back
	nothing map[ident.NodeID]int  // how often on end it gave nothing
	plan    *planner.Planner      // nil while the chunk list is not known
	stats   Progress
	began   time.Time
	failure error
	seeking bool      // for providers
	next    int       // of the providers, to be dialled
	sought  time.Time // when it looked for them last, or something came

	followers []func(chunks []int)

	unlisted  time.Time // when a peer last had the chunk list to give
	wholeTold time.Time // when mates were last told that this node gets the whole from a mirror; zero: it does not
	// How long mates said that they get the whole, up to when that was looked at.
	wholeWaited map[ident.NodeID]time.Duration
	wholeLooked time.Time
	beganBy     *mirror // who gave all that came of the whole; only used by the goroutine of the task
}

func newTask(s *Swarm, o *store.Object) *task {
	now := time.Now()
	t := &task{
		swarm: s, object: o, done: make(chan struct{}), wake: make(chan struct{}, 1), mirrors: newMirrors(s.cfg.Mirrors),
		sources: map[ident.NodeID]*source{}, bad: map[ident.NodeID]bool{}, nothing: map[ident.NodeID]int{}, began: now, unlisted: now, sought: now,
		wholeWaited: map[ident.NodeID]time.Duration{}, wholeLooked: now,
	}
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
	t.wg.Wait()
	t.swarm.ended(t)
	close(t.done)
}

// maxRepairs bounds how often chunks are got again that went bad on this node's disk.
const maxRepairs = 3

// fetch is the task: the chunk list, what older blobs have, the rest from peers, the check of the whole.
func (t *task) fetch() error {
	if err := t.list(); err != nil {
		return err
	}
	if _, err := t.object.FillLocal(t.ctx); err != nil {
		return err
	}
	if err := t.object.FillPrefix(t.ctx); err != nil {
		return err
	}
	t.begin()
	t.came(nil)
	t.wg.Go(t.flush)
	for repairs := 0; ; repairs++ {
		if err := t.chunks(); err != nil {
			_ = t.object.Flush() // the error that matters is the first
			return err
		}
		err := t.object.Finish()
		if !errors.Is(err, store.ErrDamaged) || repairs == maxRepairs {
			return err
		}
		t.swarm.log.Warn("distribute: chunks went bad on this disk", "blob", t.object.Digest, "err", err)
		t.lost()
	}
}

// flush makes durable what came, now and then, for as long as the task lasts.
func (t *task) flush() {
	for t.ctx.Err() == nil {
		sleep(t.ctx, store.SyncEvery)
		if err := t.object.Flush(); err != nil {
			t.fail(err)
		}
	}
}

// fail ends the task: this node's store fails.
func (t *task) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failure == nil {
		t.failure = fmt.Errorf("%w: %w", errLocal, err)
	}
	t.poke()
}

// lost tells the plan of chunks that are not here any more.
func (t *task) lost() {
	have := t.object.Have()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range have.Len() {
		if !have.Has(i) && !t.object.Twin(i) {
			t.plan.Lost(i)
		}
	}
}

// begin makes the plan and tells it what is known of the peers; and the peers what is here.
func (t *task) begin() {
	chunks, have := t.object.Chunks(), t.object.Have()
	sizes := make([]int32, len(chunks))
	for i, c := range chunks {
		sizes[i] = c.Size
	}
	here := func(i int) bool { return have.Has(i) || t.object.Twin(i) } // a twin comes with its first
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan = planner.New(planner.Config{Self: t.swarm.cfg.Self, Site: t.swarm.cfg.Site, Blob: t.object.Digest, Sizes: sizes, Have: here, Began: t.began})
	for _, src := range t.sources {
		t.introduce(src)
		src.n.tellAll(t.object.Digest)
	}
	t.introduceMirrors(time.Now())
	t.sought = time.Now()
}

// chunks gets what is missing.
func (t *task) chunks() error {
	for {
		wake, idle, done, err := t.step()
		if done || err != nil {
			return err
		}
		if idle {
			t.seek()
		}
		if err := t.wait(wake, idle); err != nil {
			return err
		}
	}
}

// step does what the plan says now. It returns when to do so again at the latest, and whether
// nothing is on its way.
func (t *task) step() (wake time.Time, idle, done bool, err error) {
	waits := t.givesWay(time.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failure != nil || t.plan.Done() || t.object.Complete() {
		return wake, false, true, t.failure
	}
	now := time.Now()
	for id, src := range t.sources {
		if src.fetcher != nil && src.fetcher.waits() {
			t.plan.Held(id, now) // a slow disk is not the peer's fault
		}
	}
	t.plan.Uplink(!t.swarm.closed.Load() && !waits, now)
	e := t.plan.Next(now)
	if waits && (e.Wake.IsZero() || e.Wake.Sub(now) > lookAgain) {
		e.Wake = now.Add(lookAgain)
	}
	for _, id := range e.Cancel {
		if src := t.sources[id]; src != nil {
			src.drop()
			switch {
			case slices.Contains(e.Trickles, id):
				t.complainOf(src.n, errTrickle)
			case !src.waits(now):
				t.gaveNothing(src.n)
			}
		} else if m := t.mirror(id); m != nil {
			m.drop()
		}
	}
	if e.Taking {
		t.tellTaking()
	}
	t.heedNews(e)
	for _, r := range e.Requests {
		if m := t.mirror(r.Peer); m != nil {
			t.crosses(now)
			m.request(t, r.Runs)
			continue
		}
		src := t.sources[r.Peer] // the plan knows the same peers
		if !src.n.local {
			t.crosses(now)
		}
		if src.fetcher == nil {
			src.fetcher = newFetcher(t, src.n)
		}
		src.fetcher.request(r.Runs)
	}
	return e.Wake, len(e.Requests) == 0 && !t.busy(), false, nil
}

// heedNews asks peers to tell what they have, or to tell no more. The caller holds mu.
func (t *task) heedNews(e planner.Effects) {
	for _, id := range e.Listen {
		t.sources[id].n.need(t, true)
	}
	for _, id := range e.Ignore {
		t.sources[id].n.need(t, false)
	}
}

// busy reports whether anything was asked for. The caller holds mu.
func (t *task) busy() bool {
	for _, src := range t.sources {
		if src.fetcher != nil && src.fetcher.outstanding() > 0 {
			return true
		}
	}
	for _, m := range t.mirrors {
		if m.exchange != nil && m.exchange.outstanding() > 0 {
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
		pause = min(pause, seekSoon)
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

// put stores chunks that a peer delivered. Those before one that is wrong are taken.
func (t *task) put(n *neighbour, b batch) error {
	fresh, err := t.object.Put(b.first, b.data())
	if err != nil {
		t.arrived(b.first, 0, n.id, fresh)
		return err
	}
	t.mu.Lock()
	t.count(n, b.bytes)
	t.gaveSomething(n)
	t.mu.Unlock()
	t.arrived(b.first, b.count, n.id, fresh)
	return nil
}

// arrived takes note that chunks were stored, from the first on, and with them those that are new here.
func (t *task) arrived(first, count int, from ident.NodeID, fresh []int) {
	now := time.Now()
	t.mu.Lock()
	for i := first; i < first+count; i++ {
		t.plan.Got(i, from, now)
	}
	for _, k := range fresh {
		if k < first || k >= first+count {
			t.plan.Got(k, ident.NodeID{}, now)
		}
	}
	done := t.plan.Done()
	if len(fresh) > 0 {
		t.sought = now
		for _, src := range t.sources {
			src.n.tellGot(t.object.Digest, fresh)
		}
	}
	t.mu.Unlock()
	t.came(fresh)
	if done {
		t.poke()
	}
}

// wasted counts bytes that came for nothing: they have to come again.
func (t *task) wasted(n *neighbour, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(n, bytes)
}

// count counts what a peer delivered. The caller holds mu.
func (t *task) count(n *neighbour, bytes int) {
	if n.local {
		t.stats.FromSite += int64(bytes)
	} else {
		t.stats.FromUplink += int64(bytes)
	}
}

// alive takes note that a peer is sending.
func (t *task) alive(n *neighbour, now time.Time) {
	if !n.local {
		t.crosses(now)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan.Alive(n.id, now)
}

// flying returns what is taken over the uplink.
func (t *task) flying() []planner.Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.wholeTold.IsZero():
		return wholeRun
	case t.plan == nil:
		return nil
	}
	return t.plan.Taking()
}

// failed takes note that an exchange with a peer has ended.
func (t *task) failed(f *fetcher, err error) {
	wrong := misbehaviour(err)
	t.mu.Lock()
	src := t.sources[f.n.id]
	current := src != nil && src.fetcher == f
	if current {
		src.fetcher = nil
	}
	switch {
	case wrong:
		t.bad[f.n.id] = true
		t.plan.Bad(f.n.id)
		if src != nil {
			src.drop()
		}
	case errors.Is(err, errLocal):
		t.failure = err
	case current:
		t.plan.Failed(f.n.id, time.Now())
		if ownFault(err) {
			t.gaveNothing(f.n)
		}
	}
	t.mu.Unlock()
	if wrong {
		t.swarm.misbehaved(f.n.id, err)
	}
	t.poke()
}

func (t *task) snapshot() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.stats
	for _, src := range t.sources {
		if src.whole || src.listed {
			p.Peers++
		}
	}
	if d := time.Since(t.began).Seconds(); d > 0 {
		p.Rate = float64(p.FromSite+p.FromUplink+p.FromMirror) / d
	}
	return p
}
