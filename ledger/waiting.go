package ledger

import "selvage/internal/ident"

// Bounds of the waiting room. At a bound the oldest of the author, then the oldest of all, has to
// leave; anti-entropy brings it again.
const (
	maxWaiting          = 4096
	maxWaitingPerAuthor = 256
)

// waitingRoom holds entries that cannot be judged yet, in the order in which they came.
type waitingRoom struct {
	byAuthor map[ident.NodeID][]Record
	order    []ident.NodeID // whose entry came when; an author that left is passed over
	count    int
}

func newWaitingRoom() *waitingRoom {
	return &waitingRoom{byAuthor: map[ident.NodeID][]Record{}}
}

func (w *waitingRoom) add(author ident.NodeID, r Record) {
	for _, old := range w.byAuthor[author] {
		if string(old.Data) == string(r.Data) {
			return
		}
	}
	w.byAuthor[author] = append(w.byAuthor[author], r)
	w.order = append(w.order, author)
	w.count++
	if len(w.byAuthor[author]) > maxWaitingPerAuthor {
		w.dropOldest(author)
	}
	for w.count > maxWaiting {
		oldest := w.order[0]
		w.order = w.order[1:]
		if len(w.byAuthor[oldest]) > 0 {
			w.dropOldest(oldest)
		}
	}
	if len(w.order) > 4*maxWaiting {
		w.compact()
	}
}

func (w *waitingRoom) dropOldest(author ident.NodeID) {
	w.byAuthor[author] = w.byAuthor[author][1:]
	w.count--
	if len(w.byAuthor[author]) == 0 {
		delete(w.byAuthor, author)
	}
}

// compact forgets authors in the order whose entries have left.
func (w *waitingRoom) compact() {
	var order []ident.NodeID
	left := map[ident.NodeID]int{}
	for a, all := range w.byAuthor {
		left[a] = len(all)
	}
	for _, a := range w.order {
		if left[a] > 0 {
			left[a]--
			order = append(order, a)
		}
	}
	w.order = order
}

// take empties the room of an author's entries and returns them.
func (w *waitingRoom) take(author ident.NodeID) []Record {
	all := w.byAuthor[author]
	delete(w.byAuthor, author)
	w.count -= len(all)
	return all
}

// takeAll empties the room.
func (w *waitingRoom) takeAll() []Record {
	var all []Record
	for _, rs := range w.byAuthor {
		all = append(all, rs...)
	}
	*w = *newWaitingRoom()
	return all
}
