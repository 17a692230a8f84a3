package ledger

import "slices"

// item is what a list has under a key, if it has anything there.
type item[T any] struct {
	value T
	there bool
}

// doubts are the keys of what has to be worked out anew.
type doubts[K comparable] map[K]bool

// resolve works out what is in doubt, and leaves no doubt.
func resolve[K comparable, T any](d doubts[K], find func(K) (T, bool)) map[K]item[T] {
	fresh := make(map[K]item[T], len(d))
	for k := range d {
		x, ok := find(k)
		fresh[k] = item[T]{x, ok}
	}
	clear(d)
	return fresh
}

// mostFresh is how much of a list may have changed before the list is brought up to date unasked: one in mostFresh, and a few.
const mostFresh = 4

// ordered is a list that is kept in order. What changes in it waits until it is asked for, or is much: changes may come by the
// thousand between two questions. The list is handed out, so a change makes another.
type ordered[K comparable, T any] struct {
	key     func(T) K
	compare func(a, b T) int // no two items are equal
	list    []T
	fresh   map[K]item[T] // what the list does not show yet
}

// change notes what has become of some items.
func (s *ordered[K, T]) change(fresh map[K]item[T]) {
	if s.fresh == nil {
		s.fresh = map[K]item[T]{}
	}
	for k, x := range fresh {
		s.fresh[k] = x
	}
	if len(s.fresh) > 16+len(s.list)/mostFresh {
		s.answer()
	}
}

// find returns one item; compareKey orders items as the list does.
func (s *ordered[K, T]) find(k K, compareKey func(T, K) int) (x T, ok bool) {
	if x, changed := s.fresh[k]; changed {
		return x.value, x.there
	}
	i, ok := slices.BinarySearchFunc(s.list, k, compareKey)
	if !ok {
		return x, false
	}
	return s.list[i], true
}

// answer brings the list up to date. It is nil if nothing is there.
func (s *ordered[K, T]) answer() []T {
	if len(s.fresh) == 0 {
		return s.list
	}
	fresh := make([]T, 0, len(s.fresh))
	for _, x := range s.fresh {
		if x.there {
			fresh = append(fresh, x.value)
		}
	}
	slices.SortFunc(fresh, s.compare)
	out := make([]T, 0, len(s.list)+len(fresh))
	for _, x := range s.list {
		if _, changed := s.fresh[s.key(x)]; changed {
			continue
		}
		for len(fresh) > 0 && s.compare(fresh[0], x) < 0 {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		out = append(out, x)
	}
	if s.list, s.fresh = append(out, fresh...), nil; len(s.list) == 0 {
		s.list = nil
	}
	return s.list
}
