// Package canon sets up the CBOR that nodes write to one another and sign.
//
// It is written in the one deterministic form of RFC 8949, 4.2.1, so that equal values have equal bytes, which
// signatures and digests are over. What is read may come from anybody: there are no tags, which could stand for types
// that nobody expects, no lengths left open, and no key of a map twice, of which two readers could each take another.
package canon

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Bounds are for what is read; beyond one, reading fails before memory is taken for it.
type Bounds struct {
	Array int  // elements of an array or items of a list, at least 16
	Depth int  // nested levels, at least 4
	Known bool // a field that the reader's type lacks is an error, and not passed over
}

// maxPairs is how many pairs a map may have.
const maxPairs = 16

// Modes returns how to write and how to read, both safe for concurrent use. It fails only for bounds that are out of theirs.
func Modes(b Bounds) (cbor.EncMode, cbor.DecMode, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, nil, fmt.Errorf("set up the encoder: %w", err)
	}
	options := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxArrayElements: b.Array, MaxMapPairs: maxPairs, MaxNestedLevels: b.Depth,
	}
	if b.Known {
		options.ExtraReturnErrors = cbor.ExtraDecErrorUnknownField
	}
	dec, err := options.DecMode()
	if err != nil {
		return nil, nil, fmt.Errorf("set up the decoder: %w", err)
	}
	return enc, dec, nil
}
