package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// maxRegisters is how many keys a register feed holds; those written longest ago leave first.
const maxRegisters = 256

// feedState is what the ledger knows of one feed without reading its entries.
type feedState struct {
	Feed
	key     string      // Feed.Key
	entries []slot      // by seq; registers: no two of one key
	digest  [8]byte     // registers: xor of the entries' hashes, equal for equal sets
	closed  *closedFeed // nil unless the author forked it
}

func newFeed(f Feed, key string) *feedState {
	return &feedState{Feed: f, key: key}
}

// clone returns a copy for a change to work on. The entries of a linked feed are shared: they are only
// added to at their end, which nobody sees who holds fewer of them.
func (f *feedState) clone() *feedState {
	own := *f
	if !f.Lane.linked() {
		own.entries = slices.Clone(f.entries)
	}
	if f.closed != nil {
		own.closed = f.closed.clone()
	}
	return &own
}

// slot is where an entry is in the log, and its hash.
type slot struct {
	seq  uint64
	hash [sha256.Size]byte
	key  string // registers: the entry's
}

// last returns the newest entry; the zero slot if there is none.
func (f *feedState) last() slot {
	if len(f.entries) == 0 {
		return slot{}
	}
	return f.entries[len(f.entries)-1]
}

// at returns where the entry with this number is, or would be.
func (f *feedState) at(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(f.entries, seq, func(s slot, seq uint64) int { return compareSeq(s.seq, seq) })
}

// after returns what is kept of the feed with higher numbers: entries, then the proof that it is
// forked, then the entries of other branches.
func (f *feedState) after(seq uint64) []slot {
	i, _ := f.at(seq + 1)
	if f.closed == nil {
		return f.entries[i:]
	}
	others := f.closed.kept
	if seq >= proofSeq {
		others = others[min(seq-proofSeq+1, uint64(len(others))):]
	}
	return slices.Concat(f.entries[i:], others)
}

// holds reports whether exactly this record is kept under this number.
func (f *feedState) holds(seq uint64, hash [sha256.Size]byte) bool {
	s, ok := f.find(seq)
	return ok && s.hash == hash || f.closed != nil && f.closed.holds(hash)
}

// find returns the entry with this number.
func (f *feedState) find(seq uint64) (slot, bool) {
	i, ok := f.at(seq)
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

// superseded reports whether what the feed holds stands in the place of an entry that it does not hold.
func (f *feedState) superseded(e *Entry) bool {
	if f.Lane != Register {
		return false
	}
	if old, ok := f.register(e.Key); ok {
		return e.Seq < old.seq
	}
	return len(f.entries) == maxRegisters && e.Seq < f.entries[0].seq
}

// register returns the entry that holds a key.
func (f *feedState) register(key string) (slot, bool) {
	i := slices.IndexFunc(f.entries, func(s slot) bool { return s.key == key })
	if i < 0 {
		return slot{}, false
	}
	return f.entries[i], true
}

// put adds an entry, and returns the numbers of the register entries that leave for it.
func (f *feedState) put(s slot, key string) (left []uint64) {
	if f.Lane == Register {
		if replaced, ok := f.register(key); ok {
			left = append(left, replaced.seq)
		} else if len(f.entries) == maxRegisters {
			left = append(left, f.entries[0].seq)
		}
		for _, seq := range left {
			f.drop(seq)
		}
		s.key = key
	}
	i, _ := f.at(s.seq)
	f.entries = slices.Insert(f.entries, i, s)
	toggle(&f.digest, s.hash)
	return left
}

func (f *feedState) drop(seq uint64) {
	i, ok := f.at(seq)
	if !ok {
		return
	}
	toggle(&f.digest, f.entries[i].hash)
	f.entries = slices.Delete(f.entries, i, i+1)
}

func toggle(digest *[8]byte, hash [sha256.Size]byte) {
	for i := range digest {
		digest[i] ^= hash[i]
	}
}

// Mark sums up a feed: the highest number in it, and a digest of what is kept. Of a durable feed
// that is its last entry's hash, which depends on all before it. A forked feed has the same
// number everywhere, and a digest of what operators say in all its branches.
type Mark struct {
	Seq    uint64
	Digest [8]byte
}

func (f *feedState) mark() Mark {
	switch {
	case f.closed != nil:
		return Mark{proofSeq, f.closed.digest}
	case f.Lane.linked():
		last := f.last()
		return Mark{last.seq, [8]byte(last.hash[:8])}
	}
	return Mark{f.last().seq, f.digest}
}

// appendTo writes the mark for the root digest.
func (m Mark) appendTo(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, m.Seq), m.Digest[:]...)
}
