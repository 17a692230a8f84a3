package trust

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
)

// modes returns how to write and to read.
var modes = sync.OnceValues(func() (cbor.EncMode, cbor.DecMode) {
	enc, dec, err := canon.Modes(canon.Bounds{Array: 16, Depth: 4, Known: true})
	if err != nil { // the bounds are constant
		panic(err)
	}
	return enc, dec
})

// marshal writes deterministic CBOR (RFC 8949, 4.2.1).
func marshal(v any) []byte {
	enc, _ := modes()
	b, err := enc.Marshal(v)
	if err != nil { // the types are plain
		panic(err)
	}
	return b
}

// unmarshal reads only what marshal writes, so that one value has one form.
func unmarshal(data []byte, v any) error {
	_, dec := modes()
	if err := dec.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(marshal(v), data) {
		return fmt.Errorf("%w: not in its one form", ErrMalformed)
	}
	return nil
}
