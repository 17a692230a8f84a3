package gossip

import (
	"context"
	"slices"
	"sync"
)

const (
	maxQueued      = 1024    // records in a neighbour's queue
	maxQueuedBytes = 4 << 20 // bytes in it
)

// queue holds the records to push to one neighbour.
type queue struct {
	ready chan struct{} // holds a token if records may be there, or something else is to be said

	mu      sync.Mutex
	records []Record
	bytes   int
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

// put reports whether there was room for r.
func (q *queue) put(r Record) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.records) == maxQueued || q.bytes+r.size() > maxQueuedBytes {
		return false
	}
	q.records = append(q.records, r)
	q.bytes += r.size()
	q.signal()
	return true
}

// drop takes out what the neighbour turns out to have.
func (q *queue) drop(rs []Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records = slices.DeleteFunc(q.records, func(r Record) bool {
		has := slices.ContainsFunc(rs, func(o Record) bool { return o.Seq == r.Seq && o.Feed == r.Feed })
		if has {
			q.bytes -= r.size()
		}
		return has
	})
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// wait waits for records, or a signal; it reports whether ctx lasts.
func (q *queue) wait(ctx context.Context) bool {
	select {
	case <-q.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// next returns as many records as a frame holds; nil if there are none.
func (q *queue) next() []Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.records) && size+q.records[n].size() <= maxPayload {
		size += q.records[n].size()
		n++
	}
	if n == 0 {
		return nil
	}
	rs := q.records[:n:n]
	q.records = q.records[n:]
	q.bytes -= size
	if len(q.records) > 0 {
		q.signal()
	} else {
		q.records = nil
	}
	return rs
}
