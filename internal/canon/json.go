package canon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// ReadJSON reads what a person has signed: one JSON value, and no field that v does not have, which a signer may have
// meant something by.
func ReadJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
