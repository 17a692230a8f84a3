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
	hurry chan struct{} // holds a token if what is there may have to go now

	mu      sync.Mutex
	records []Record // urgent ones first
	urgent  int      // how many of these are
	bytes   int
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1), hurry: make(chan struct{}, 1)} }

// put reports whether there was room for r. An urgent record goes before those that are not, the newest of
// which make room for it; then put reports that they found none.
func (q *queue) put(r Record, urgent bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	room := true
	for len(q.records) == maxQueued || q.bytes+r.size() > maxQueuedBytes {
		if !urgent || q.urgent == len(q.records) {
			return false
		}
		q.bytes -= q.records[len(q.records)-1].size()
		q.records = q.records[:len(q.records)-1]
		room = false
	}
	at := len(q.records)
	if urgent {
		at = q.urgent
		q.urgent++
	}
	q.records = slices.Insert(q.records, at, r)
	q.bytes += r.size()
	q.signal()
	if q.pressing() {
		signal(q.hurry)
	}
	return room
}

// hurried reports whether what is there has to go now. It takes the token that may say so, too.
func (q *queue) hurried() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.hurry:
	default:
	}
	return q.pressing()
}

// pressing reports whether an urgent record is there, or as much as a frame holds. The caller holds mu.
func (q *queue) pressing() bool {
	return q.urgent > 0 || q.bytes >= maxPayload || len(q.records) >= maxQueued/2
}

// drop takes out what the neighbour turns out to have.
func (q *queue) drop(rs []Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.records) == 0 {
		return
	}
	has := make(map[recordKey]bool, len(rs))
	for _, r := range rs {
		has[recordKey{r.Feed, r.Seq}] = true
	}
	kept := q.records[:0]
	urgent := q.urgent
	for i, r := range q.records {
		if !has[recordKey{r.Feed, r.Seq}] {
			kept = append(kept, r)
			continue
		}
		q.bytes -= r.size()
		if i < urgent {
			q.urgent--
		}
	}
	clear(q.records[len(kept):])
	q.records = kept
}

// recordKey names a record.
type recordKey struct {
	feed string
	seq  uint64
}

// empty reports whether nothing waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.records) == 0
}

func (q *queue) signal() { signal(q.ready) }

// signal puts a token into a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
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

// next returns as many records as a frame holds; nil if there are none. Urgent ones have a frame to themselves, which
// is small: they need not wait until the others have come.
func (q *queue) next() []Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	most := len(q.records)
	if q.urgent > 0 {
		most = q.urgent
	}
	n, size := 0, 0
	for n < most && size+q.records[n].size() <= maxPayload {
		size += q.records[n].size()
		n++
	}
	if n == 0 {
		return nil
	}
	q.urgent = max(0, q.urgent-n)
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
