package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Bitmap is a set of the numbers from 0 to Len()-1. It is not safe for concurrent use.
type Bitmap struct {
	n     int
	count int
	words []uint64
}

// MaxBits bounds a bitmap that comes from elsewhere.
const MaxBits = 1 << 24

// NewBitmap returns an empty set for n numbers.
func NewBitmap(n int) *Bitmap { return &Bitmap{n: n, words: make([]uint64, (n+63)/64)} }

// Len returns how many numbers there are, in the set or not.
func (b *Bitmap) Len() int { return b.n }

// Count returns how many are in the set.
func (b *Bitmap) Count() int { return b.count }

// Full reports whether all are in the set.
func (b *Bitmap) Full() bool { return b.count == b.n }

// Has reports whether i is in the set; a number out of range is not.
func (b *Bitmap) Has(i int) bool {
	return i >= 0 && i < b.n && b.words[i/64]&(1<<(i%64)) != 0
}

// Set puts i in the set and reports whether it is new there. It panics if i is out of range.
func (b *Bitmap) Set(i int) bool {
	if i < 0 || i >= b.n {
		panic(fmt.Sprintf("store: bit %d of %d", i, b.n))
	}
	w, m := &b.words[i/64], uint64(1)<<(i%64)
	if *w&m != 0 {
		return false
	}
	*w |= m
	b.count++
	return true
}

// SetAll puts every number in the set.
func (b *Bitmap) SetAll() {
	for i := range b.words {
		b.words[i] = ^uint64(0)
	}
	if r := b.n % 64; r != 0 {
		b.words[len(b.words)-1] = 1<<r - 1
	}
	b.count = b.n
}

// allBut returns the set of all of n numbers but some.
func allBut(some map[int]bool, n int) *Bitmap {
	b := NewBitmap(n)
	for i := range n {
		if !some[i] {
			b.Set(i)
		}
	}
	return b
}

// Clone returns a copy.
func (b *Bitmap) Clone() *Bitmap {
	return &Bitmap{b.n, b.count, append([]uint64(nil), b.words...)}
}

// Marshal returns the set's form: uvarint n, then ceil(n/8) bytes, the lowest number in the lowest bit.
func (b *Bitmap) Marshal() []byte {
	out := binary.AppendUvarint(nil, uint64(b.n))
	for i := range (b.n + 7) / 8 {
		out = append(out, byte(b.words[i/8]>>(8*(i%8))))
	}
	return out
}

// UnmarshalBitmap reads what Marshal writes, for at most MaxBits numbers.
func UnmarshalBitmap(data []byte) (*Bitmap, error) {
	n, used := binary.Uvarint(data)
	if used <= 0 || n > MaxBits {
		return nil, errors.New("decode bitmap: bad length")
	}
	data = data[used:]
	b := NewBitmap(int(n))
	if len(data) != (b.n+7)/8 {
		return nil, fmt.Errorf("decode bitmap: %d bytes for %d bits", len(data), n)
	}
	for i, v := range data {
		b.words[i/8] |= uint64(v) << (8 * (i % 8))
	}
	if r := b.n % 64; r != 0 && b.words[len(b.words)-1]>>r != 0 {
		return nil, errors.New("decode bitmap: bits beyond its length")
	}
	for _, w := range b.words {
		b.count += bits.OnesCount64(w)
	}
	return b, nil
}
