package planner

import "math/bits"

// turns is a set of pieces by their turn, in which the next and the last one are found without a look at what is between: a bit for
// each, and one for each 64 bits of which some are set.
type turns struct {
	n          int // how many are in it
	bits, some []uint64
}

func newTurns(n int) turns {
	words := (n + 63) / 64
	return turns{bits: make([]uint64, words), some: make([]uint64, (words+63)/64)}
}

func (s *turns) has(k int) bool { return s.bits[k/64]&(1<<(k%64)) != 0 }

// set puts a turn in, or takes it out.
func (s *turns) set(k int, in bool) {
	if s.has(k) == in {
		return
	}
	w := k / 64
	s.bits[w] ^= 1 << (k % 64)
	if in {
		s.n++
		s.some[w/64] |= 1 << (w % 64)
		return
	}
	s.n--
	if s.bits[w] == 0 {
		s.some[w/64] &^= 1 << (w % 64)
	}
}

func (s *turns) clear() {
	s.n = 0
	clear(s.bits)
	clear(s.some)
}

// next returns the first turn from k on that is in the set, and in the other if that is not nil; -1 if there is none.
func (s *turns) next(o *turns, k int) int {
	if o == nil {
		o = s
	}
	for w := k / 64; w >= 0 && w < len(s.bits); {
		if at := first(s.bits[w:w+1], o.bits[w:w+1], max(0, k-w*64)); at >= 0 {
			return w*64 + at
		}
		w = first(s.some, o.some, w+1)
	}
	return -1
}

// last returns the last turn up to k that is in the set, and in the other if that is not nil; -1 if there is none.
func (s *turns) last(o *turns, k int) int {
	if o == nil {
		o = s
	}
	for w := k / 64; k >= 0 && w >= 0; {
		if at := lastOf(s.bits[w:w+1], o.bits[w:w+1], min(63, k-w*64)); at >= 0 {
			return w*64 + at
		}
		w = lastOf(s.some, o.some, w-1)
	}
	return -1
}

// first returns the first bit from k on that is set in a and b, or -1.
func first(a, b []uint64, k int) int {
	for w := k / 64; w < len(a); w++ {
		x := a[w] & b[w]
		if w == k/64 {
			x &= ^uint64(0) << (k % 64)
		}
		if x != 0 {
			return w*64 + bits.TrailingZeros64(x)
		}
	}
	return -1
}

// lastOf returns the last bit up to k that is set in a and b, or -1.
func lastOf(a, b []uint64, k int) int {
	if k < 0 {
		return -1
	}
	for w := k / 64; w >= 0; w-- {
		x := a[w] & b[w]
		if w == k/64 {
			x &= ^uint64(0) >> (63 - k%64)
		}
		if x != 0 {
			return w*64 + 63 - bits.LeadingZeros64(x)
		}
	}
	return -1
}
