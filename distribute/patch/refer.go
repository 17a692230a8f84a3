package patch

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// referrer writes a patch of references.
type referrer struct {
	stroll
	w    io.Writer
	left int64 // bytes of old that may still be referred to, as the applier counts
}

// refer writes the patch by references.
func refer(ctx context.Context, s stroll, w io.Writer) error {
	r := &referrer{stroll: s, w: w, left: referMost(s.new.Size)}
	r.copy, r.tell = r.copyRun, r.tellPiece
	head := binary.AppendUvarint(append([]byte(magic), referVersion), uint64(s.old.Size))
	if _, err := w.Write(head); err != nil {
		return err
	}
	if err := r.walk(ctx); err != nil {
		return err
	}
	_, err := w.Write([]byte{referEnd})
	return err
}

func (r *referrer) copyRun(s stretch) error {
	_, err := r.w.Write(numbers(referCopy, uint64(s.pos), uint64(s.length)))
	return err
}

func (r *referrer) tellPiece(piece, from stretch) error {
	b, err := read(r.new, piece.at, piece.length)
	if err != nil {
		return fmt.Errorf("read new: %w", err)
	}
	from.length = min(from.length, r.left)
	r.left -= from.length
	dictionary, err := read(r.old, from.pos, from.length)
	if err != nil {
		return fmt.Errorf("read old: %w", err)
	}
	packed, err := packAgainst(dictionary, b)
	if err != nil {
		return err
	}
	head := numbers(referPiece, uint64(from.pos), uint64(from.length), uint64(len(b)), uint64(len(packed)))
	_, err = r.w.Write(append(head, packed...))
	return err
}

// packAgainst is b as a zstd frame that refers to a dictionary. It is b itself if that is no longer.
func packAgainst(dictionary, b []byte) ([]byte, error) {
	level := zstd.SpeedBestCompression
	if len(dictionary)+len(b) < fewBytes {
		level = zstd.SpeedBetterCompression
	}
	options := []zstd.EOption{zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithWindowSize(windowOf(len(dictionary) + len(b)))}
	if len(dictionary) >= 8 { // shorter ones the encoder does not take
		options = append(options, zstd.WithEncoderDictRaw(referDictionary, dictionary))
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	if packed := enc.EncodeAll(b, nil); len(packed) < len(b) {
		return packed, nil
	}
	return b, nil
}

func numbers(n ...uint64) (b []byte) {
	for _, v := range n {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// windowOf is the least of zstd's windows from which so many bytes can be seen.
func windowOf(size int) int { return max(zstd.MinWindowSize, 1<<bits.Len(uint(size))) }
