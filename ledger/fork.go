package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A proof of a fork travels where an entry would:
//
//	"selvage fork 1\x00"   15 bytes
//	length                 of the first entry, 4 bytes, big endian
//	first, second          two entries of one feed that contradict each other
//
// They do if they have one number, the smaller bytes first; or if the second, in a feed that is linked,
// has the next number but does not name the first as the entry before it.
var forkPrefix = []byte("selvage fork 1\x00")

// maxProof bounds a proof, bytes.
const maxProof = 2*MaxEntry + 32

func isProof(data []byte) bool { return bytes.HasPrefix(data, forkPrefix) }

// encodeProof writes a proof. The entries are of one number, or the first precedes the second.
func encodeProof(first, second []byte, sameSeq bool) []byte {
	if sameSeq && bytes.Compare(first, second) > 0 {
		first, second = second, first
	}
	out := binary.BigEndian.AppendUint32(bytes.Clone(forkPrefix), uint32(len(first)))
	return append(append(out, first...), second...)
}

// decodeProof returns the first of the two entries, once the proof is found to hold. An honest
// author signs no such two: what it says of its past, in numbers and links, never changes.
func (c codec) decodeProof(data []byte) (*Entry, error) {
	if len(data) > maxProof || len(data) < len(forkPrefix)+4 {
		return nil, fmt.Errorf("%w: a proof of %d bytes", ErrMalformed, len(data))
	}
	rest := data[len(forkPrefix):]
	n := uint64(binary.BigEndian.Uint32(rest))
	if rest = rest[4:]; n > uint64(len(rest)) {
		return nil, fmt.Errorf("%w: a proof cut short", ErrMalformed)
	}
	first, second := rest[:n], rest[n:]
	a, err := c.decode(first)
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	b, err := c.decode(second)
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	if a.Feed() != b.Feed() || a.Fleet != b.Fleet || !contradict(a, b, first, second) {
		return nil, fmt.Errorf("%w: it proves no fork", ErrMalformed)
	}
	return a, nil
}

func contradict(a, b *Entry, first, second []byte) bool {
	if a.Seq == b.Seq {
		return bytes.Compare(first, second) < 0
	}
	hash := sha256.Sum256(first)
	return a.Kind.Lane().linked() && b.Seq == a.Seq+1 && !bytes.Equal(b.Prev, hash[:])
}
