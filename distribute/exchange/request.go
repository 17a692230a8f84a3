package exchange

import (
	"context"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// request is what one caller waits for. Exchange.mu guards what changes.
type request struct {
	e    *Exchange
	of   map[cid.Cid]bool
	here []cid.Cid     // that are here and were not taken yet
	wake chan struct{} // something is here, or err is set
	err  error
}

// ask begins a request for blocks, each once, and the fetches that it takes.
func (e *Exchange) ask(cids []cid.Cid) *request {
	r := &request{e: e, of: map[cid.Cid]bool{}, wake: make(chan struct{}, 1)}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range cids {
		if r.of[c] {
			continue
		}
		r.of[c] = true
		e.asked[c] = append(e.asked[c], r)
		if p, ok := e.places[c]; ok && p.here() {
			e.ready(c)
			continue
		}
		if w, ok := e.known[c]; ok {
			e.pull(w)
		} else if p, ok := e.places[c]; ok {
			e.pull(p.object.Want) // what was here is here no more
		}
	}
	return r
}

// drop ends a request. It is done with all, or nobody waits for the rest.
func (e *Exchange) drop(r *request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range r.of {
		e.asked[c] = slices.DeleteFunc(e.asked[c], func(o *request) bool { return o == r })
		if len(e.asked[c]) == 0 {
			delete(e.asked, c)
		}
	}
}

// ready gives a block that is here to those who wait for it. The caller holds mu.
func (e *Exchange) ready(c cid.Cid) {
	for _, r := range e.asked[c] {
		r.here = append(r.here, c)
		r.signal()
	}
	delete(e.asked, c)
}

// fail ends the request with an error. The caller holds mu.
func (r *request) fail(err error) {
	r.err = err
	r.signal()
}

func (r *request) signal() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look
	}
}

// next waits for one more block of the request.
func (r *request) next(ctx context.Context) (blocks.Block, error) {
	for {
		c, p, err := r.take()
		if err != nil {
			return nil, err
		}
		if c.Defined() {
			return p.read(c)
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.e.ctx.Done():
			return nil, r.e.ctx.Err()
		}
	}
}

// take returns a block that is here, if one is.
func (r *request) take() (cid.Cid, place, error) {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	if len(r.here) == 0 {
		return cid.Undef, place{}, r.err
	}
	c := r.here[0]
	r.here = r.here[1:]
	return c, r.e.places[c], nil
}
