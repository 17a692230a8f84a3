package planner

import "math/bits"

// bitset is a set of numbers from 0 on.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) has(k int) bool { return b[k/64]&(1<<(k%64)) != 0 }

// flip puts a number in that was not there, or takes it out.
func (b bitset) flip(k int) { b[k/64] ^= 1 << (k % 64) }

// count returns how many of a run are in the set.
func (b bitset) count(r Run) (n int) {
	for k, end := r.First, r.First+r.Count; k < end; {
		w := k / 64
		next := min(end, w*64+64)
		n += bits.OnesCount64(b[w] << (63 - (next-1)%64) >> (63 - (next-1)%64) >> (k % 64))
		k = next
	}
	return n
}

// first returns the first number from k on that is in this and another set, or -1.
func (b bitset) first(o bitset, k int) int {
	for w := k / 64; w < len(b); w++ {
		x := b[w] & o[w]
		if w == k/64 {
			x &= ^uint64(0) << (k % 64)
		}
		if x != 0 {
			return w*64 + bits.TrailingZeros64(x)
		}
	}
	return -1
}

// last returns the last number up to k that is in this and another set, or -1.
func (b bitset) last(o bitset, k int) int {
	if k < 0 {
		return -1
	}
	for w := k / 64; w >= 0; w-- {
		x := b[w] & o[w]
		if w == k/64 {
			x &= ^uint64(0) >> (63 - k%64)
		}
		if x != 0 {
			return w*64 + 63 - bits.LeadingZeros64(x)
		}
	}
	return -1
}
