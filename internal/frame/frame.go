// Package frame puts a length in front of a short message, where a stream carries few of them:
//
//	length   2 bytes, big endian
//	message  so many bytes
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// ErrLong is in the chain of errors about a message that is longer than it may be.
var ErrLong = errors.New("message is too long")

// Write writes a message in one piece, at most 65,535 bytes.
func Write(w io.Writer, message []byte) error {
	if len(message) > math.MaxUint16 {
		return fmt.Errorf("%w: %d bytes", ErrLong, len(message))
	}
	out := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(message)), uint16(len(message)))
	_, err := w.Write(append(out, message...))
	return err
}

// Read reads a message of at most most bytes; one that says that it is longer is not read.
func Read(r io.Reader, most int) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n > most {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrLong, n, most)
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}
