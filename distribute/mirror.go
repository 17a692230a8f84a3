package distribute

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
)

// Mirror is a place outside of the fleet that has blobs. It is not trusted. It is safe for concurrent use.
type Mirror interface {
	// Name is what people call it. No two of a swarm have the same.
	Name() string
	// Read begins to read some bytes of a blob, of so many in all: no others than these, and no more. Whoever reads closes
	// it. It fails where the mirror does not give them, with a reason that is short and, for the same cause, the same.
	Read(ctx context.Context, d Digest, size, offset, length int64) (io.ReadCloser, error)
	// List begins to read a blob's chunk list, as store.EncodeNodes writes it: most bytes at most. It fails, likewise, where the
	// mirror has none, which is no fault.
	List(ctx context.Context, d Digest, most int64) (io.ReadCloser, error)
}

// Mirrored asks the mirrors for a blob's first byte, and reports whether one gives it.
func (s *Swarm) Mirrored(ctx context.Context, want store.Want) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return slices.ContainsFunc(s.cfg.Mirrors, func(m Mirror) bool {
		r, err := m.Read(ctx, want.Digest, want.Size, 0, 1)
		if err != nil {
			return false
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, r)
		return err == nil && n == 1
	})
}

// mirrorLanes is how many runs are got from a mirror at a time, so that one comes while the next is asked for.
const mirrorLanes = 2

// mirror is a mirror as a task sees it.
type mirror struct {
	Mirror
	id       ident.NodeID
	exchange *mirrorExchange // nil while nothing is asked of it
	named    bool            // it was said that it is asked
	listed   bool            // it was asked for the chunk list
	rests    int             // while there is no plan: how often it failed on end
	after    time.Time       // likewise: not to be asked before
}

// mirrorID is what planner knows a mirror by. Nobody has a key to it.
func mirrorID(m Mirror) ident.NodeID { return sha256.Sum256([]byte("mirror\n" + m.Name())) }

func newMirrors(all []Mirror) (out []*mirror) {
	for _, m := range all {
		out = append(out, &mirror{Mirror: m, id: mirrorID(m)})
	}
	return out
}

// mirror returns one of the task's by its ID; nil if there is none. The caller holds mu.
func (t *task) mirror(id ident.NodeID) *mirror {
	for _, m := range t.mirrors {
		if m.id == id {
			return m
		}
	}
	return nil
}

// introduceMirrors tells the plan of them. The caller holds mu.
func (t *task) introduceMirrors(now time.Time) {
	for _, m := range t.mirrors {
		t.plan.Mirror(m.id, now)
		if t.bad[m.id] {
			t.plan.Bad(m.id)
		}
	}
}

// request asks for runs. The caller holds the task's mu.
func (m *mirror) request(t *task, runs []planner.Run) {
	if m.exchange == nil {
		m.exchange = newMirrorExchange(t, m)
		m.name(t)
	}
	m.exchange.request(runs)
}

// name says, once, that it is asked. The caller holds the task's mu.
func (m *mirror) name(t *task) {
	if !m.named {
		m.named = true
		t.swarm.log.Info("distribute: asking a mirror", "blob", t.object.Digest, "mirror", m.Name())
	}
}

// drop ends the exchange. The caller holds the task's mu.
func (m *mirror) drop() {
	if m.exchange != nil {
		m.exchange.cancel()
		m.exchange = nil
	}
}

// mirrorExchange gets runs from a mirror until one fails.
type mirrorExchange struct {
	task   *task
	m      *mirror
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // holds one for each lane

	mu     sync.Mutex
	unsent []planner.Run
	left   int // chunks asked for and not stored yet
}

// newMirrorExchange begins one. The caller holds the task's mu.
func newMirrorExchange(t *task, m *mirror) *mirrorExchange {
	x := &mirrorExchange{task: t, m: m, wake: make(chan struct{}, mirrorLanes)}
	x.ctx, x.cancel = context.WithCancel(t.ctx)
	t.wg.Go(x.run)
	return x
}

func (x *mirrorExchange) request(runs []planner.Run) {
	x.mu.Lock()
	x.unsent = append(x.unsent, runs...)
	for _, r := range runs {
		x.left += r.Count
	}
	x.mu.Unlock()
	for range mirrorLanes {
		select {
		case x.wake <- struct{}{}:
		default: // all are awake
		}
	}
}

func (x *mirrorExchange) outstanding() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.left
}

func (x *mirrorExchange) run() {
	errs := make(chan error, mirrorLanes)
	var wg sync.WaitGroup
	for range mirrorLanes {
		wg.Go(func() {
			errs <- x.lane()
			x.cancel()
		})
	}
	wg.Wait()
	close(errs)
	x.task.mirrorFailed(x, worst(errs))
}

// lane gets one run after the other.
func (x *mirrorExchange) lane() error {
	for {
		run, ok := x.next()
		if ok {
			if err := x.get(run); err != nil {
				return err
			}
			x.task.poke() // its window has room again
			continue
		}
		select {
		case <-x.ctx.Done():
			return x.ctx.Err()
		case <-x.wake:
		}
	}
}

func (x *mirrorExchange) next() (planner.Run, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.unsent) == 0 {
		return planner.Run{}, false
	}
	r := x.unsent[0]
	x.unsent = x.unsent[1:]
	return r, true
}

// get gets a run.
func (x *mirrorExchange) get(run planner.Run) error {
	o := x.task.object
	list := o.Chunks()[run.First : run.First+run.Count]
	begin, last := list[0].Offset, list[len(list)-1]
	body, err := x.m.Read(x.ctx, o.Digest, o.Size, begin, last.Offset+int64(last.Size)-begin)
	if err != nil {
		return err
	}
	defer body.Close()
	r := &pulse{r: body, every: func(now time.Time) { x.task.mirrorAlive(x.m, now) }, told: time.Now()}
	for k, c := range list {
		if err := x.chunk(r, run.First+k, int(c.Size)); err != nil {
			return err
		}
	}
	return nil
}

// chunk gets a chunk.
func (x *mirrorExchange) chunk(r io.Reader, i, size int) error {
	buf := x.task.swarm.takeSlab(x.ctx)
	if buf == nil {
		return x.ctx.Err()
	}
	defer x.task.swarm.freeSlab(buf)
	n, err := io.ReadFull(r, buf[:size])
	x.task.mirrorBytes(n)
	if err != nil {
		return err
	}
	fresh, err := x.task.object.Put(i, buf[:size])
	if err != nil && !errors.Is(err, store.ErrCorrupt) {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	if err != nil {
		return err
	}
	x.task.arrived(i, 1, x.m.id, fresh)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left--
	return nil
}

func (t *task) mirrorAlive(m *mirror, now time.Time) {
	t.crosses(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan.Alive(m.id, now)
	t.poke() // mates are to be told again, and that is the plan's to say
}

func (t *task) mirrorBytes(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.FromMirror += int64(n)
}

// mirrorFailed takes note that an exchange with a mirror has ended.
func (t *task) mirrorFailed(x *mirrorExchange, err error) {
	wrong := errors.Is(err, store.ErrCorrupt)
	t.mu.Lock()
	current := x.m.exchange == x
	if current {
		x.m.exchange = nil
	}
	stalled := !current && t.ctx.Err() == nil // the plan has given it up
	switch {
	case wrong:
		t.bad[x.m.id] = true
		t.plan.Bad(x.m.id)
		x.m.drop()
	case errors.Is(err, errLocal):
		t.failure = err
	case current:
		t.plan.Failed(x.m.id, time.Now())
	}
	t.mu.Unlock()
	switch {
	case stalled && !wrong:
		t.complain(x.m, errSlow)
	case t.ctx.Err() == nil && !errors.Is(err, errLocal):
		t.complain(x.m, err)
	}
	t.poke()
}

var (
	errSlow  = errors.New("it gives nothing, or next to nothing")
	errWrong = errors.New("it gave other bytes than the blob's, and is not asked for that blob any more")
)

// complain says what is wrong with a mirror: nothing, as long as the uplink is closed to it.
func (t *task) complain(m *mirror, err error) {
	if t.swarm.closed.Load() {
		return
	}
	if errors.Is(err, store.ErrCorrupt) {
		err = errWrong
	}
	t.swarm.cfg.MirrorFailed(m.Name(), err.Error())
}
