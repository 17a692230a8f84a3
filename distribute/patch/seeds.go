package patch

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sort"
)

const (
	seedLen    = 12       // bytes; a run of equal bytes shorter than this is not looked for
	maxSeeds   = 64 << 20 // positions in an index, 4 bytes each; beyond, only every n-th is in it
	seedsTried = 32       // occurrences that a look-up compares, the nearest to where one is expected
)

// seeds finds where old bytes stand that equal some new ones. All positions of one hash lie together,
// ascending: so what repeats often, as zeros do, is still found next to the place in question.
type seeds struct {
	old   []byte
	shift uint     // of the hash, for the index into start
	start []uint32 // of each hash, its first index into at; one more at the end
	at    []uint32 // positions in old
}

// newSeeds indexes the given spans of old, at most maxSeeds positions of them.
func newSeeds(old []byte, spans []span) *seeds {
	total := 0
	for _, s := range spans {
		total += s.to - s.from
	}
	stride := max(1, (total+maxSeeds-1)/maxSeeds)
	width := min(24, bits.Len(uint(total/stride))+1)
	s := &seeds{old: old, shift: uint(64 - width), start: make([]uint32, 1<<width+1), at: make([]uint32, total/stride+len(spans))}
	s.each(spans, stride, func(hash uint64, _ int) { s.start[hash+1]++ })
	for i := range s.start[1:] {
		s.start[i+1] += s.start[i]
	}
	s.each(spans, stride, func(hash uint64, p int) {
		s.at[s.start[hash]] = uint32(p) // below the 256 MiB of a window
		s.start[hash]++
	})
	copy(s.start[1:], s.start) // filling moved each start to the next one's place
	s.start[0] = 0
	return s
}

func (s *seeds) each(spans []span, stride int, f func(hash uint64, p int)) {
	for _, sp := range spans {
		for p := sp.from; p < min(sp.to, len(s.old)-seedLen+1); p += stride {
			f(s.hash(s.old[p:]), p)
		}
	}
}

// hash of the first seedLen bytes.
func (s *seeds) hash(b []byte) uint64 {
	a := binary.LittleEndian.Uint64(b) * 0x9e3779b97f4a7c15
	c := uint64(binary.LittleEndian.Uint32(b[8:])) * 0xc2b2ae3d27d4eb4f
	return (a ^ bits.RotateLeft64(c, 29)) * 0x9e3779b97f4a7c15 >> s.shift
}

// longest is where in old the longest run begins that equals the start of b, and its length; 0 if
// none was found. Among equals the nearest to near wins.
func (s *seeds) longest(b []byte, near int) (pos, length int) {
	if len(b) < seedLen {
		return 0, 0
	}
	h := s.hash(b)
	at := s.at[s.start[h]:s.start[h+1]]
	if len(at) > seedsTried {
		i := sort.Search(len(at), func(i int) bool { return int(at[i]) >= near })
		first := min(max(0, i-seedsTried/2), len(at)-seedsTried)
		at = at[first : first+seedsTried]
	}
	for _, p := range at {
		n := agree(s.old[p:], b)
		if n >= seedLen && (n > length || n == length && apart(int(p), near) < apart(pos, near)) {
			pos, length = int(p), n
		}
	}
	return pos, length
}

func apart(a, b int) int { return max(a-b, b-a) }

// agree is how many first bytes of a and b are equal.
func agree(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	const lump = 4 << 10
	i := 0
	for n-i >= lump && bytes.Equal(a[i:i+lump], b[i:i+lump]) {
		i += lump
	}
	for n-i >= 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
