package patch

import (
	"context"
	"encoding/binary"
	"math/bits"
)

const (
	maxPlaces = 8 << 20 // slots for fingerprints of old, 12 bytes each; of a larger file fewer are taken for each byte
	scanned   = 1 << 20 // bytes that are read at a time
)

// places knows where old has some of its shingles first: those whose hash has so many zeros in front. Which these are is for
// their bytes alone to say, so that new has the same ones where it has the same bytes, wherever they are.
type places struct {
	zeros  uint
	shift  uint     // of a fingerprint, for its slot
	prints []uint32 // other bits of it; of a slot that is taken
	at     []int64  // where in old, plus one; 0 is empty. At least half are
}

// shingle is a hash of the first shingleLen bytes.
func shingle(b []byte) uint64 {
	h := binary.LittleEndian.Uint64(b)*factor ^ binary.LittleEndian.Uint64(b[8:])
	h *= factor
	return h ^ h>>29
}

// newPlaces reads old from end to end.
func newPlaces(ctx context.Context, old File, zeros uint) (*places, error) {
	for old.Size>>zeros > maxPlaces/2 {
		zeros++
	}
	width := min(bits.Len64(maxPlaces-1), bits.Len64(uint64(old.Size>>zeros))+1)
	p := &places{zeros: zeros, shift: uint(32 - width), prints: make([]uint32, 1<<width), at: make([]int64, 1<<width)}
	for from := int64(0); from < old.Size; from += scanned {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := read(old, from, min(scanned+shingleLen, old.Size-from))
		if err != nil {
			return nil, err
		}
		p.sample(b, func(i int, print uint32) {
			if slot, taken := p.slot(print); !taken {
				p.prints[slot], p.at[slot] = print, from+int64(i)+1
			}
		})
	}
	return p, nil
}

// sample calls f for the shingles that are known by.
func (p *places) sample(b []byte, f func(i int, print uint32)) {
	for i := 0; i+shingleLen <= len(b); i++ {
		if h := shingle(b[i:]); h>>(64-p.zeros) == 0 {
			f(i, uint32(h))
		}
	}
}

// slot is where a fingerprint is, or would go; taken too where there is no room for it.
func (p *places) slot(print uint32) (int, bool) {
	i := int(print * uint32(factor&0xffffffff) >> p.shift)
	for range maxProbes {
		if p.at[i] == 0 {
			return i, false
		}
		if p.prints[i] == print {
			return i, true
		}
		i = (i + 1) & (len(p.at) - 1)
	}
	return i, true
}

// hit says that old may have at pos what new has at at.
type hit struct{ at, pos int64 }

// find looks bytes up that new has from at on; each fingerprint counts once.
func (p *places) find(b []byte, at int64) (hits []hit) {
	seen := map[uint32]bool{}
	p.sample(b, func(i int, print uint32) {
		slot, taken := p.slot(print)
		if !taken || p.prints[slot] != print || seen[print] {
			return
		}
		seen[print] = true
		hits = append(hits, hit{at + int64(i), p.at[slot] - 1})
	})
	return hits
}
