package distribute

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// fetcher is one exchange with one peer: requests go out, chunks come in, in order. A goroutine
// writes, one reads, and some check and store, so that none waits for another.
type fetcher struct {
	task   *task
	n      *neighbour
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}

	mu     sync.Mutex
	unsent [][]planner.Run
	sent   []planner.Run // asked for, in the order of the answers
	left   int           // chunks asked for and not stored yet
	held   int           // batches that wait for this node: they came, or there is no room for them
}

const (
	readAhead = 4 << 10 // bytes; less than most chunks, which so are read to where they will be
	slabQueue = 16      // slabs between reading and storing, of one exchange
	storers   = 2       // goroutines that check and store; more than one, for hashing takes longest
	slabMost  = 128     // likewise of all exchanges of a swarm
)

// newFetcher begins an exchange. The caller holds the task's mu.
func newFetcher(t *task, n *neighbour) *fetcher {
	f := &fetcher{task: t, n: n, wake: make(chan struct{}, 1)}
	f.ctx, f.cancel = context.WithCancel(t.ctx)
	t.wg.Go(f.run)
	return f
}

// waits reports whether the peer waits for this node, and not the other way round.
func (f *fetcher) waits() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held > 0
}

func (f *fetcher) hold(d int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held += d
}

func (f *fetcher) outstanding() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left
}

// request asks for runs. How much is asked for at a time is bounded by the planner's windows.
func (f *fetcher) request(runs []planner.Run) {
	f.mu.Lock()
	f.unsent = append(f.unsent, runs)
	for _, r := range runs {
		f.left += r.Count
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default: // it is awake
	}
}

func (f *fetcher) run() {
	err := f.exchange()
	f.cancel()
	f.task.failed(f, err)
}

func (f *fetcher) exchange() error {
	ctx, cancel := context.WithTimeout(f.ctx, askTimeout)
	conn, err := f.task.swarm.cfg.Network.Open(ctx, f.n.id, FetchProtocol)
	cancel()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(f.ctx, func() { reset(conn) })
	defer stop()
	defer reset(conn)
	batches := make(chan batch, slabQueue)
	errs := make(chan error, 2+storers)
	var wg sync.WaitGroup
	end := func(err error) {
		errs <- err
		f.cancel()
	}
	wg.Go(func() { end(f.write(conn)) })
	wg.Go(func() {
		defer close(batches)
		end(f.read(conn, batches))
	})
	for range storers {
		wg.Go(func() { end(f.store(batches)) })
	}
	wg.Wait()
	close(errs)
	return worst(errs)
}

// worst picks the error that says most: what the peer or the store did before what followed from
// it. The first of the others says why the rest ended.
func worst(errs <-chan error) (first error) {
	for err := range errs {
		if misbehaviour(err) || errors.Is(err, errLocal) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (f *fetcher) write(conn net.Conn) error {
	if err := write(conn, f.task.object.Digest[:]); err != nil {
		return err
	}
	for {
		select {
		case <-f.ctx.Done():
			return f.ctx.Err()
		case <-f.wake:
		}
		f.mu.Lock()
		requests := f.unsent
		f.unsent = nil
		var b []byte
		for _, runs := range requests {
			b = appendRuns(b, runs)
			f.sent = append(f.sent, runs...)
		}
		f.mu.Unlock()
		if err := write(conn, b); err != nil {
			return err
		}
		for _, runs := range requests {
			f.task.swarm.asked(f.n.id, f.task.object.Digest, runs)
		}
	}
}

// next takes the run that is answered now.
func (f *fetcher) next() (planner.Run, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sent) == 0 {
		return planner.Run{}, false
	}
	r := f.sent[0]
	f.sent = f.sent[1:]
	return r, true
}

func (f *fetcher) read(conn net.Conn, out chan<- batch) error {
	r := &pulse{r: conn, every: func(now time.Time) { f.task.alive(f.n, now) }, told: time.Now()}
	return f.answers(bufio.NewReaderSize(r, readAhead), f.task.object.Chunks(), out)
}

// answers reads what comes until it ends, or is not what was asked for; it hands on the chunks of the list that come whole.
func (f *fetcher) answers(r *bufio.Reader, list []store.Chunk, out chan<- batch) error {
	var packed unpacker
	defer packed.close()
	for {
		status, err := r.ReadByte()
		if err != nil {
			return err
		}
		run, asked := f.next()
		if !asked {
			return fmt.Errorf("%w: it sends what was not asked for", errProtocol)
		}
		switch status {
		case statusOK:
			err = f.readRun(r, list, run, out)
		case statusPacked:
			err = f.readPacked(r, &packed, list, run, out)
		case statusMissing:
			err = fmt.Errorf("fetch chunks %d+%d: %w", run.First, run.Count, store.ErrMissing)
		default:
			err = fmt.Errorf("%w: status %d", errProtocol, status)
		}
		if err != nil {
			return err
		}
	}
}

// buffer waits until there is room for what comes.
func (f *fetcher) buffer() (*slab, error) {
	f.hold(1)
	defer f.hold(-1)
	if s := f.task.swarm.takeSlab(f.ctx); s != nil {
		return s, nil
	}
	return nil, f.ctx.Err()
}

// store stores what comes, to the first error; what comes after it is dropped. What was whole when
// the connection was lost is stored too.
func (f *fetcher) store(in <-chan batch) (first error) {
	for b := range in {
		if first == nil && f.task.ctx.Err() == nil {
			if first = f.put(b); first != nil {
				f.cancel()
			}
		} else {
			f.task.wasted(f.n, b.bytes)
		}
		f.hold(-1)
		f.task.swarm.freeSlab(b.slab)
	}
	return first
}

func (f *fetcher) put(b batch) error {
	err := f.task.put(f.n, b)
	if err != nil && !errors.Is(err, store.ErrCorrupt) {
		err = fmt.Errorf("%w: %w", errLocal, err)
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.left -= b.count
	f.mu.Unlock()
	if b.last {
		f.task.poke() // its window has room again
	}
	return nil
}

// reset ends a stream in both directions at once, if it can.
func reset(conn net.Conn) {
	if r, ok := conn.(interface{ Reset() error }); ok {
		_ = r.Reset()
		return
	}
	_ = conn.Close()
}
