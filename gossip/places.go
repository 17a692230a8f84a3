package gossip

import "math"

// passed is the place in a feed that has gone to its end.
const passed = math.MaxUint64

// places is where the sessions with a peer that this node has initiated stopped in feeds that are contested: those of one number and
// different digests, of which all goes both ways. A session that cannot hold all of one goes on where the last stopped, and
// leaves out what has gone to its end, until a session has room for what is left: then all begin anew. So however much is contested,
// and however little a session holds, all of it has its turn, once. There is a place for no more feeds than have been contested since.
type places struct {
	give map[feedHash]uint64 // the number after which this node goes on
	want map[feedHash]uint64 // likewise the peer, by its own numbers
}

// note keeps where a session has stopped that did not hold everything, or was cut: what it was to do, and what of that is left. It reports whether
// it got on with a contested feed.
func (at *places) note(todo, left plan) (moved bool) {
	if at.give == nil {
		at.give, at.want = make(map[feedHash]uint64), make(map[feedHash]uint64)
	}
	gave := advance(at.give, todo.contested, hashed(todo.Give), hashed(left.Give))
	got := advance(at.want, todo.contested, todo.Want, left.Want)
	return gave || got
}

// advance moves the places of those feeds of a list that are contested, and reports whether it moved any.
func advance(at map[feedHash]uint64, contested map[feedHash]string, todo, left []want) (moved bool) {
	stopped := make(map[feedHash]uint64, len(left))
	for _, w := range left {
		stopped[w.Feed] = w.After
	}
	for _, w := range todo {
		if _, ok := contested[w.Feed]; !ok {
			continue
		}
		to, ok := stopped[w.Feed]
		if !ok {
			to = passed
		}
		if to > w.After {
			at[w.Feed], moved = to, true
		}
	}
	return moved
}

func hashed(spans []span) []want {
	ws := make([]want, len(spans))
	for i, s := range spans {
		ws[i] = want{hashFeed(s.Feed), s.After}
	}
	return ws
}

// unread returns what is left of what a peer was asked for, if it had more than a session holds. It sends what is urgent first, and else in the
// order of the list: it has come as far as the last feed of which it sent anything; got has the last number of each.
func unread(asked []want, got map[feedHash]uint64, urgent func(want) bool) []want {
	left := urgentFirst(asked, urgent)
	for i := len(left) - 1; i >= 0; i-- {
		if last, ok := got[left[i].Feed]; ok {
			left = left[i:]
			left[0].After = last
			break
		}
	}
	return left
}
