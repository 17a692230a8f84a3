package ledger

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"selvage/internal/ident"
)

// TestWaitingRoom: however records come and leave, the room's counts are those of what it holds,
// no bound is passed, and what came last of an author is the last to leave.
func TestWaitingRoom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWaitingRoom()
		n := byte(0)
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			author := ident.NodeID{rapid.Byte().Draw(rt, "author") % 4}
			if rapid.IntRange(0, 9).Draw(rt, "leave") == 0 {
				if got := w.takeAuthor(author); w.byAuthor[author] != nil || !sorted(got) {
					rt.Fatal("an author's records did not leave in order")
				}
				continue
			}
			size := rapid.SampledFrom([]int{1, 100, MaxEntry}).Draw(rt, "size")
			n++
			x := waiter{entry: &Entry{Author: author, Seq: uint64(n)}, rec: Record{Seq: uint64(n), Data: make([]byte, size)}, hash: [32]byte{n}}
			w.add(x)
			if q := w.byAuthor[author]; q == nil || q.waiters[len(q.waiters)-1].hash != x.hash {
				rt.Fatal("what came last has left")
			}
			w.check(rt)
		}
	})
}

func sorted(xs []waiter) bool {
	for i := 1; i < len(xs); i++ {
		if xs[i-1].rec.Seq >= xs[i].rec.Seq {
			return false
		}
	}
	return true
}

func (w *waitingRoom) check(t interface{ Fatalf(string, ...any) }) {
	count, bytes := 0, 0
	for _, q := range w.byAuthor {
		size := 0
		for _, x := range q.waiters {
			size += len(x.rec.Data)
		}
		if size != q.bytes || len(q.waiters) > maxWaitingPerAuthor || size > maxWaitingBytesPerAuthor {
			t.Fatalf("an author has %d records of %d bytes, counted as %d", len(q.waiters), size, q.bytes)
		}
		count += len(q.waiters)
		bytes += size
	}
	if count != w.count || bytes != w.bytes || count > maxWaiting || bytes > maxWaitingBytes || len(w.order) > 4*maxWaiting {
		t.Fatalf("%d records of %d bytes, counted as %d of %d; %d in the order", count, bytes, w.count, w.bytes, len(w.order))
	}
}

// TestWaitingOrder: what is known of who came when stays bounded, and the oldest of all leave first.
func TestWaitingOrder(t *testing.T) {
	w := newWaitingRoom()
	id := func(i int) ident.NodeID { return ident.NodeID{byte(i), byte(i >> 8), byte(i >> 16)} }
	for i := range 6 * maxWaiting {
		author := id(i)
		w.add(waiter{entry: &Entry{Author: author}, rec: Record{Data: []byte{1}}, hash: [32]byte(author)})
		if i >= maxWaiting && i < 3*maxWaiting {
			w.takeAuthor(author)
		}
	}
	w.check(t)
	for i := range 6 * maxWaiting {
		if _, here := w.byAuthor[id(i)]; here != (i >= 5*maxWaiting) {
			t.Fatalf("author %d of %d: here %v", i, 6*maxWaiting, here)
		}
	}
}

// TestWaitingTakenInOrder: what waited is judged, and told of, by author, and of each as it came.
func TestWaitingTakenInOrder(t *testing.T) {
	w := newWaitingRoom()
	for i := range byte(200) {
		w.add(waiter{entry: &Entry{Author: ident.NodeID{i * 7 % 50}}, hash: [32]byte{i}})
	}
	last := map[ident.NodeID]byte{}
	var order []ident.NodeID
	for _, x := range w.takeAll() {
		a := x.entry.Author
		if n, again := last[a]; !again {
			order = append(order, a)
		} else if x.hash[0] < n {
			t.Errorf("%d of one author after %d", x.hash[0], n)
		}
		last[a] = x.hash[0]
	}
	if !slices.IsSortedFunc(order, ident.NodeID.Compare) || len(order) != 50 {
		t.Errorf("authors in the order %v", order)
	}
}
