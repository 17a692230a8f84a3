package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A proof of a fork travels where an entry would:
//
//	"selvage fork 1\x00"   15 bytes
//	length                 of the first entry, 4 bytes, big endian
//	first, second          two entries of one feed and number, the smaller bytes first
var forkPrefix = []byte("selvage fork 1\x00")

const maxProof = 2*MaxEntry + 32 // bytes

func isProof(data []byte) bool { return bytes.HasPrefix(data, forkPrefix) }

func encodeProof(a, b []byte) []byte {
	if bytes.Compare(a, b) > 0 {
		a, b = b, a
	}
	out := binary.BigEndian.AppendUint32(bytes.Clone(forkPrefix), uint32(len(a)))
	return append(append(out, a...), b...)
}

// decodeProof returns the first of the two entries, once the proof is found to hold.
func (c codec) decodeProof(data []byte) (*Entry, error) {
	rest := data[len(forkPrefix):]
	if len(data) > maxProof || len(rest) < 4 {
		return nil, fmt.Errorf("%w: a proof of %d bytes", ErrMalformed, len(data))
	}
	n := int(binary.BigEndian.Uint32(rest))
	if rest = rest[4:]; n > len(rest) {
		return nil, fmt.Errorf("%w: a proof cut short", ErrMalformed)
	}
	first, second := rest[:n], rest[n:]
	a, err := c.decode(first)
	if err != nil {
		return nil, err
	}
	b, err := c.decode(second)
	if err != nil {
		return nil, err
	}
	if a.Feed() != b.Feed() || a.Seq != b.Seq || a.Fleet != b.Fleet || bytes.Compare(first, second) >= 0 {
		return nil, fmt.Errorf("%w: it proves no fork", ErrMalformed)
	}
	return a, nil
}
