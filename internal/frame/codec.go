package frame

import (
	"io"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
)

// Codec frames values as package canon writes them. It is safe for concurrent use.
type Codec struct {
	enc  cbor.EncMode
	dec  cbor.DecMode
	most int
}

// NewCodec returns a codec that reads messages of at most most bytes and within bounds. It fails only for bounds that are out of theirs.
func NewCodec(b canon.Bounds, most int) (Codec, error) {
	enc, dec, err := canon.Modes(b)
	return Codec{enc, dec, most}, err
}

// Write writes a value in one message.
func (c Codec) Write(w io.Writer, v any) error {
	data, err := c.enc.Marshal(v)
	if err != nil {
		return err
	}
	return Write(w, data)
}

// Read reads a message into a value.
func (c Codec) Read(r io.Reader, into any) error {
	data, err := Read(r, c.most)
	if err != nil {
		return err
	}
	return c.dec.Unmarshal(data, into)
}
