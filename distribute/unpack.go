package distribute

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// unpacker reads the packed chunks of one stream. It is for one goroutine.
type unpacker struct {
	dec     *zstd.Decoder // nil before the first that is packed
	section bytes.Reader  // of the chunk that is read
	buf     []byte
}

// Read is the decoder's: it finds the end of what was sent where a chunk ends, and has no reason to look beyond.
func (u *unpacker) Read(b []byte) (int, error) {
	n, err := u.section.Read(b)
	if err != nil {
		err = fmt.Errorf("%w: a packed chunk is short", errProtocol)
	}
	return n, err
}

// read reads a chunk into chunk, which has its size: packed or, after a length of 0, as it is. It returns how many bytes came for it.
func (u *unpacker) read(r *bufio.Reader, chunk []byte) (int, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return io.ReadFull(r, chunk)
	}
	if n > uint64(len(chunk)+packHeaders) {
		return 0, fmt.Errorf("%w: %d bytes for a chunk of %d", errProtocol, n, len(chunk))
	}
	if u.dec == nil {
		if u.dec, err = zstd.NewReader(u, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(packWindow)); err != nil {
			return 0, fmt.Errorf("%w: %w", errLocal, err)
		}
	}
	u.buf = append(u.buf[:0], make([]byte, n)...)
	if came, err := io.ReadFull(r, u.buf); err != nil {
		return came, err
	}
	u.section.Reset(u.buf)
	if _, err := io.ReadFull(u.dec, chunk); err != nil {
		return int(n), fmt.Errorf("%w: unpack a chunk: %w", errProtocol, err)
	}
	if u.section.Len() > 0 {
		return int(n), fmt.Errorf("%w: a packed chunk is long", errProtocol)
	}
	return int(n), nil
}

func (u *unpacker) close() {
	if u.dec != nil {
		u.dec.Close()
	}
}
