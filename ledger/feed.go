package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// feedState is what the ledger knows of one feed without reading its entries.
type feedState struct {
	Feed
	key     string            // Feed.Key
	entries []slot            // by seq
	byKey   map[string]uint64 // registers: the seq that holds each key
	digest  [8]byte           // xor of the entries' hashes: equal for equal sets
	proof   []byte            // two entries with one number; the feed is closed then
}

type slot struct {
	seq  uint64
	hash [sha256.Size]byte
}

// last returns the newest entry; the zero slot if there is none.
func (f *feedState) last() slot {
	if len(f.entries) == 0 {
		return slot{}
	}
	return f.entries[len(f.entries)-1]
}

// find returns the entry with this number.
func (f *feedState) find(seq uint64) (slot, bool) {
	i, ok := slices.BinarySearchFunc(f.entries, seq, func(s slot, seq uint64) int { return compareSeq(s.seq, seq) })
	if !ok {
		return slot{}, false
	}
	return f.entries[i], true
}

func compareSeq(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// put adds an entry, and returns the number of the register entry that it takes the place of; 0 if none.
func (f *feedState) put(s slot, key string) (replaced uint64) {
	if f.Lane == Register {
		if replaced = f.byKey[key]; replaced != 0 {
			f.drop(replaced)
		}
		f.byKey[key] = s.seq
	}
	i, _ := slices.BinarySearchFunc(f.entries, s.seq, func(o slot, seq uint64) int { return compareSeq(o.seq, seq) })
	f.entries = slices.Insert(f.entries, i, s)
	f.toggle(s)
	return replaced
}

func (f *feedState) drop(seq uint64) {
	i, ok := slices.BinarySearchFunc(f.entries, seq, func(s slot, seq uint64) int { return compareSeq(s.seq, seq) })
	if ok {
		f.toggle(f.entries[i])
		f.entries = slices.Delete(f.entries, i, i+1)
	}
}

func (f *feedState) toggle(s slot) {
	for i := range f.digest {
		f.digest[i] ^= s.hash[i]
	}
}

// Mark sums up a feed: the highest number in it, and a digest of the entries that are kept. A feed
// that was forked has the mark of no other feed.
type Mark struct {
	Seq    uint64
	Digest [8]byte
}

// forkedMark is alike on all who know of the fork, whichever branch they saw.
var forkedMark = Mark{Seq: 1 << 62, Digest: [8]byte{'f', 'o', 'r', 'k', 'e', 'd'}}

func (f *feedState) mark() Mark {
	if f.proof != nil {
		return forkedMark
	}
	return Mark{f.last().seq, f.digest}
}

// appendTo writes the mark for the root digest.
func (m Mark) appendTo(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, m.Seq), m.Digest[:]...)
}
