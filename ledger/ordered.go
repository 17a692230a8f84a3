package ledger

import "slices"

// ordered is a list that is kept in order, and brought up to date item by item. The list is handed out, so a
// change makes another.
type ordered[K comparable, T any] struct {
	key     func(T) K
	compare func(a, b T) int // no two items are equal
	list    []T
	stale   map[K]bool // the items that have to be worked out anew
}

// doubt has an item worked out anew.
func (s *ordered[K, T]) doubt(k K) {
	if s.stale == nil {
		s.stale = map[K]bool{}
	}
	s.stale[k] = true
}

// renew brings the list up to date; find works out an item, if there is one.
func (s *ordered[K, T]) renew(find func(K) (T, bool)) []T {
	if len(s.stale) == 0 {
		return s.list
	}
	fresh := make([]T, 0, len(s.stale))
	for k := range s.stale {
		if x, ok := find(k); ok {
			fresh = append(fresh, x)
		}
	}
	slices.SortFunc(fresh, s.compare)
	out := make([]T, 0, len(s.list)+len(fresh))
	for _, x := range s.list {
		if s.stale[s.key(x)] {
			continue
		}
		for len(fresh) > 0 && s.compare(fresh[0], x) < 0 {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		out = append(out, x)
	}
	s.list, s.stale = append(out, fresh...), nil
	return s.list
}
