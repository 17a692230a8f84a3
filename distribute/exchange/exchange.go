package exchange

import (
	"context"
	"fmt"
	"sync"

	"github.com/ipfs/boxo/exchange"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"selvage/distribute/store"
	"selvage/internal/lock"
)

// Swarm is what fetches blobs; distribute.Swarm is one.
type Swarm interface {
	// Follow fetches a blob into the store, and calls more with the numbers of chunks that came, or nil for many.
	Follow(ctx context.Context, w store.Want, more func(chunks []int)) error
}

// Exchange is an exchange.SessionExchange. It is safe for concurrent use.
type Exchange struct {
	swarm Swarm
	store *store.Store
	ctx   context.Context // ends at Close
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     lock.Mutex // held while a chunk list is read from the disk
	closed bool
	known  map[cid.Cid]store.Want // by root
	pulled map[store.Digest]bool  // these are being fetched
	places map[cid.Cid]place      // of the blocks of blobs whose chunk list is here
	lists  map[store.Digest]list  // of the same blobs
	asked  map[cid.Cid][]*request // for what is not here
}

var _ exchange.SessionExchange = (*Exchange)(nil)

// place is where a block is.
type place struct {
	object *store.Object
	node   []byte // an inner node of the DAG; nil if it is a chunk
	chunk  int
}

// list is the chunk list of a blob.
type list struct {
	object *store.Object
	chunks []cid.Cid
}

// New returns an exchange that has blobs fetched by a swarm into its store.
func New(swarm Swarm, s *store.Store) *Exchange {
	e := &Exchange{
		swarm: swarm, store: s, known: map[cid.Cid]store.Want{}, pulled: map[store.Digest]bool{},
		places: map[cid.Cid]place{}, lists: map[store.Digest]list{}, asked: map[cid.Cid][]*request{},
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// Know makes blobs known, so that their blocks can be asked for.
func (e *Exchange) Know(blobs ...store.Want) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range blobs {
		e.known[w.Root] = w
		if len(e.asked[w.Root]) > 0 {
			e.pull(w)
		}
	}
}

// GetBlock waits for a block. An error is ctx's, exchange's end, or why its blob cannot be fetched.
func (e *Exchange) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	r := e.ask([]cid.Cid{c})
	defer e.drop(r)
	return r.next(ctx)
}

// GetBlocks gives the blocks as they come, each once. The channel is closed after the last, or earlier if ctx ends or
// one of them cannot be had.
func (e *Exchange) GetBlocks(ctx context.Context, cids []cid.Cid) (<-chan blocks.Block, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	out := make(chan blocks.Block)
	go func() {
		defer e.wg.Done()
		defer close(out)
		r := e.ask(cids)
		defer e.drop(r)
		for range r.of {
			b, err := r.next(ctx)
			if err != nil {
				return
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return
			case <-e.ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// NewSession returns the exchange: whatever asks for blocks of one blob shares its fetch.
func (e *Exchange) NewSession(context.Context) exchange.Fetcher { return e }

// NotifyNewBlocks does nothing: the swarm serves what is in its store, and tells peers of it by itself.
func (e *Exchange) NotifyNewBlocks(context.Context, ...blocks.Block) error { return nil }

// Close ends all requests and the fetches that they began. Neither swarm nor store is closed.
func (e *Exchange) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.stop()
	e.wg.Wait()
	return nil
}

// enter has Close wait for e.wg.Done.
func (e *Exchange) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.enterLocked()
}

func (e *Exchange) enterLocked() error {
	if e.closed {
		return fmt.Errorf("exchange of blocks: %w", context.Canceled)
	}
	e.wg.Add(1)
	return nil
}

// pull has a blob fetched, once at a time. The caller holds mu.
func (e *Exchange) pull(w store.Want) {
	if e.pulled[w.Digest] || e.enterLocked() != nil {
		return
	}
	e.pulled[w.Digest] = true
	go func() {
		defer e.wg.Done()
		err := e.swarm.Follow(e.ctx, w, func(chunks []int) { e.came(w, chunks) })
		if err != nil {
			e.failed(w, fmt.Errorf("fetch blob %s: %w", w.Digest, err))
			return
		}
		e.mu.Lock()
		delete(e.pulled, w.Digest) // it may be given up, or go bad, and be asked for then
		e.mu.Unlock()
		e.came(w, nil)
	}()
}

// came gives chunks of a blob, nil for all that are here, to those who wait for them.
func (e *Exchange) came(w store.Want, chunks []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lists[w.Digest]
	if o, ok := e.store.Object(w.Digest); ok && o != l.object { // the first, or one that is begun anew
		e.list(w)
		chunks = nil
	}
	if chunks != nil {
		for _, i := range chunks {
			e.places[l.chunks[i]] = place{object: l.object, chunk: i} // another blob that has it may not be here
			e.ready(l.chunks[i])
		}
		return
	}
	for c := range e.asked {
		if p, ok := e.places[c]; ok && p.object.Digest == w.Digest && p.here() {
			e.ready(c)
		}
	}
}

// list notes where a blob's blocks are, if its chunk list is here. The caller holds mu.
func (e *Exchange) list(w store.Want) {
	o, ok := e.store.Object(w.Digest)
	if !ok {
		return
	}
	var chunks []cid.Cid
	places := map[cid.Cid]place{}
	err := o.Walk(func(b store.Block) error {
		places[b.CID] = place{o, b.Node, b.Chunk}
		if b.Node == nil {
			chunks = append(chunks, b.CID)
		}
		return nil
	})
	if err != nil {
		return // the list is not here yet, or went bad: a later call finds out
	}
	e.lists[w.Digest] = list{o, chunks}
	for c, p := range places {
		if old, ok := e.places[c]; !ok || !old.here() {
			e.places[c] = p
		}
	}
}

// failed ends the requests for blocks of a blob, which may be asked for anew.
func (e *Exchange) failed(w store.Want, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pulled, w.Digest)
	for c, rs := range e.asked {
		if p, ok := e.places[c]; c.Equals(w.Root) || ok && p.object.Digest == w.Digest {
			for _, r := range rs {
				r.fail(err)
			}
			delete(e.asked, c)
		}
	}
}

// here reports whether the block can be read now.
func (p place) here() bool {
	return p.node != nil || p.object.Has(p.chunk)
}

// read returns the block, whose bytes are checked.
func (p place) read(c cid.Cid) (blocks.Block, error) {
	if p.node != nil {
		return blocks.NewBlockWithCid(p.node, c)
	}
	data := make([]byte, p.object.Chunks()[p.chunk].Size)
	if _, err := p.object.ReadChunks(p.chunk, 1, data); err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(data, c)
}
