package ledger

import (
	"crypto/sha256"
	"maps"
	"slices"

	"selvage/internal/ident"
)

// Bounds of the waiting room. At a bound the oldest of the author, then the oldest of all, has to
// leave; anti-entropy brings it again.
const (
	maxWaiting               = 4096
	maxWaitingPerAuthor      = 256
	maxWaitingBytes          = 16 << 20
	maxWaitingBytesPerAuthor = 1 << 20
)

// waiter is a record that was checked by itself: an entry, or a proof with the first of its entries.
type waiter struct {
	entry *Entry
	rec   Record
	hash  [sha256.Size]byte // of the record's data
	proof bool
}

// queue is what waits of one author, in the order in which it came.
type queue struct {
	waiters []waiter
	bytes   int
}

// waitingRoom holds records that cannot be judged yet: the author is not admitted, an entry's
// predecessor is missing, or no charter vouches so far for what an entry of a closed feed says.
type waitingRoom struct {
	byAuthor map[ident.NodeID]*queue
	order    []ident.NodeID // whose entry came when; an author that left is passed over
	count    int
	bytes    int
}

func newWaitingRoom() *waitingRoom {
	return &waitingRoom{byAuthor: map[ident.NodeID]*queue{}}
}

func (w *waitingRoom) add(x waiter) {
	author := x.entry.Author
	q := w.byAuthor[author]
	if q == nil {
		q = &queue{}
		w.byAuthor[author] = q
	}
	if slices.ContainsFunc(q.waiters, func(old waiter) bool { return old.hash == x.hash }) {
		return
	}
	q.waiters = append(q.waiters, x)
	q.bytes += len(x.rec.Data)
	w.order = append(w.order, author)
	w.count++
	w.bytes += len(x.rec.Data)
	for len(q.waiters) > maxWaitingPerAuthor || q.bytes > maxWaitingBytesPerAuthor {
		w.dropOldest(author)
	}
	for w.count > maxWaiting || w.bytes > maxWaitingBytes {
		oldest := w.order[0]
		w.order = w.order[1:]
		w.dropOldest(oldest)
	}
	if len(w.order) > 4*maxWaiting {
		w.compact()
	}
}

func (w *waitingRoom) dropOldest(author ident.NodeID) {
	if q := w.byAuthor[author]; q != nil {
		w.take(author, func(x waiter) bool { return x.hash == q.waiters[0].hash })
	}
}

// compact forgets authors in the order whose entries have left.
func (w *waitingRoom) compact() {
	var order []ident.NodeID
	left := map[ident.NodeID]int{}
	for a, q := range w.byAuthor {
		left[a] = len(q.waiters)
	}
	for _, a := range slices.Backward(w.order) {
		if left[a] > 0 {
			left[a]--
			order = append(order, a)
		}
	}
	slices.Reverse(order)
	w.order = order
}

// take removes an author's entries that fit, and returns them in the order in which they came.
func (w *waitingRoom) take(author ident.NodeID, fits func(waiter) bool) []waiter {
	q := w.byAuthor[author]
	if q == nil {
		return nil
	}
	var taken, left []waiter
	for _, x := range q.waiters {
		if !fits(x) {
			left = append(left, x)
			continue
		}
		taken = append(taken, x)
		q.bytes -= len(x.rec.Data)
		w.bytes -= len(x.rec.Data)
		w.count--
	}
	if q.waiters = left; len(left) == 0 {
		delete(w.byAuthor, author)
	}
	return taken
}

// takeAuthor empties the room of an author's entries.
func (w *waitingRoom) takeAuthor(author ident.NodeID) []waiter {
	return w.take(author, func(waiter) bool { return true })
}

// remove takes one record back.
func (w *waitingRoom) remove(x waiter) {
	w.take(x.entry.Author, func(y waiter) bool { return y.hash == x.hash })
}

// ahead reports whether an entry of a feed waits that comes after a number.
func (w *waitingRoom) ahead(f Feed, seq uint64) bool {
	q := w.byAuthor[f.Author]
	return q != nil && slices.ContainsFunc(q.waiters, func(x waiter) bool { return x.entry.Feed() == f && x.entry.Seq > seq })
}

// takeReady takes what a feed's new last entry may have settled: what follows it, and rivals of
// what the feed holds.
func (w *waitingRoom) takeReady(f Feed, last uint64) []waiter {
	return w.take(f.Author, func(x waiter) bool { return x.entry.Feed() == f && x.entry.Seq <= last+1 })
}

// takeFeed takes all of one feed.
func (w *waitingRoom) takeFeed(f Feed) []waiter {
	return w.take(f.Author, func(x waiter) bool { return x.entry.Feed() == f })
}

// takeAll empties the room. The records come by author: in what order they are told of must not be chance.
func (w *waitingRoom) takeAll() []waiter {
	var all []waiter
	for _, a := range slices.SortedFunc(maps.Keys(w.byAuthor), ident.NodeID.Compare) {
		all = append(all, w.byAuthor[a].waiters...)
	}
	*w = *newWaitingRoom()
	return all
}
