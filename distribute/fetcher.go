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
	held   int           // chunks that wait for this node: they came, or there is no room for them
}

const (
	readAhead  = 4 << 10 // bytes; less than most chunks, which so are read to where they will be
	chunkQueue = 32      // chunks between reading and storing, of one exchange
	storers    = 2       // goroutines that check and store; more than one, for hashing takes longest
	chunkMost  = 256     // likewise of all exchanges of a swarm, each in store.MaxChunk bytes
)

// arrived is a chunk on its way from reading to storing.
type arrived struct {
	index int
	data  []byte
	last  bool // of its run
}

var chunkBuffers = sync.Pool{New: func() any { return new([store.MaxChunk]byte) }}

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
	chunks := make(chan arrived, chunkQueue)
	errs := make(chan error, 2+storers)
	var wg sync.WaitGroup
	end := func(err error) {
		errs <- err
		f.cancel()
	}
	wg.Go(func() { end(f.write(conn)) })
	wg.Go(func() {
		defer close(chunks)
		end(f.read(conn, chunks))
	})
	for range storers {
		wg.Go(func() { end(f.store(chunks)) })
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

func (f *fetcher) read(conn net.Conn, out chan<- arrived) error {
	r := bufio.NewReaderSize(&pulse{r: conn, every: func(now time.Time) { f.task.alive(f.n, now) }, told: time.Now()}, readAhead)
	list := f.task.object.Chunks()
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
		read := readPlain
		switch status {
		case statusOK:
		case statusPacked:
			read = packed.read
		case statusMissing:
			return fmt.Errorf("fetch chunks %d+%d: %w", run.First, run.Count, store.ErrMissing)
		default:
			return fmt.Errorf("%w: status %d", errProtocol, status)
		}
		for i := run.First; i < run.First+run.Count; i++ {
			data, err := f.buffer(int(list[i].Size))
			if err != nil {
				return err
			}
			if n, err := read(r, data); err != nil {
				f.task.wasted(f.n, n)
				f.free(data)
				return err
			}
			f.hold(1)
			out <- arrived{i, data, i == run.First+run.Count-1} // store takes all, to the end
		}
	}
}

// buffer waits until there is room for a chunk.
func (f *fetcher) buffer(size int) ([]byte, error) {
	f.hold(1)
	defer f.hold(-1)
	select {
	case f.task.swarm.room <- struct{}{}:
	case <-f.ctx.Done():
		return nil, f.ctx.Err()
	}
	return chunkBuffers.Get().(*[store.MaxChunk]byte)[:size], nil
}

func (f *fetcher) free(data []byte) {
	chunkBuffers.Put((*[store.MaxChunk]byte)(data[:store.MaxChunk]))
	<-f.task.swarm.room
}

// store stores what comes, to the first error; what comes after it is dropped. What was whole when
// the connection was lost is stored too.
func (f *fetcher) store(in <-chan arrived) (first error) {
	for c := range in {
		if first == nil && f.task.ctx.Err() == nil {
			if first = f.put(c); first != nil {
				f.cancel()
			}
		} else {
			f.task.wasted(f.n, len(c.data))
		}
		f.hold(-1)
		f.free(c.data)
	}
	return first
}

func (f *fetcher) put(c arrived) error {
	err := f.task.put(f.n, c.index, c.data)
	if err != nil && !errors.Is(err, store.ErrCorrupt) {
		err = fmt.Errorf("%w: %w", errLocal, err)
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.left--
	f.mu.Unlock()
	if c.last {
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
