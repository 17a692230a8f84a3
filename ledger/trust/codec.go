package trust

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// marshal writes deterministic CBOR (RFC 8949, 4.2.1).
func marshal(v any) []byte {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil { // the options are constant
		panic(err)
	}
	b, err := mode.Marshal(v)
	if err != nil { // the types are plain
		panic(err)
	}
	return b
}

// unmarshal reads only what marshal writes, so that one value has one form.
func unmarshal(data []byte, v any) error {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 16,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	if err := mode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(marshal(v), data) {
		return fmt.Errorf("%w: not in its one form", ErrMalformed)
	}
	return nil
}
