package planner

// turns is a set of pieces by their turn, in which the next and the last one are found without a look at what is between: a bit for
// each, and one for each 64 bits of which some are set.
type turns struct {
	n          int // how many are in it
	bits, some bitset
}

func newTurns(n int) turns {
	bits := newBitset(n)
	return turns{bits: bits, some: newBitset(len(bits))}
}

func (s *turns) has(k int) bool { return s.bits.has(k) }

// set puts a turn in, or takes it out.
func (s *turns) set(k int, in bool) {
	if s.has(k) == in {
		return
	}
	w := k / 64
	before := s.bits[w] != 0
	s.bits.flip(k)
	if after := s.bits[w] != 0; after != before {
		s.some.flip(w)
	}
	s.n += 2*kindOf(in) - 1
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
		if at := s.bits[w:w+1].first(o.bits[w:w+1], max(0, k-w*64)); at >= 0 {
			return w*64 + at
		}
		w = s.some.first(o.some, w+1)
	}
	return -1
}

// last returns the last turn up to k that is in the set, and in the other if that is not nil; -1 if there is none.
func (s *turns) last(o *turns, k int) int {
	if o == nil {
		o = s
	}
	for w := k / 64; k >= 0 && w >= 0; {
		if at := s.bits[w:w+1].last(o.bits[w:w+1], min(63, k-w*64)); at >= 0 {
			return w*64 + at
		}
		w = s.some.last(o.some, w-1)
	}
	return -1
}
