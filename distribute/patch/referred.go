package patch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// The form of a patch of references; see the package comment.
const (
	referVersion = 2

	referEnd   = 0
	referCopy  = 1
	referPiece = 2

	maxPiece        = 4 << 20 // bytes of new in a piece
	maxReference    = 8 << 20 // bytes of old that a piece refers to
	referDictionary = 1       // number of the dictionary in a frame
)

// referMost is how many bytes of old the pieces of a patch to size bytes may refer to, in all.
func referMost(size int64) int64 { return 8*size + maxReference }

// referred applies a patch of references.
type referred struct {
	old       File
	in        *bufio.Reader
	out       *checked
	zstd      *zstd.Decoder
	left      int64 // bytes that may still be referred to. Invariant: >= 0
	reference []byte
	packed    []byte
	piece     []byte
}

// run reads what follows the version.
func (r *referred) run(ctx context.Context) error {
	n, err := r.numbers(1)
	if err != nil {
		return err
	}
	if n[0] != r.old.Size {
		return fmt.Errorf("%w: it is for %d bytes, here are %d", ErrForm, n[0], r.old.Size)
	}
	r.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPiece), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return err
	}
	defer r.zstd.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if done, err := r.entry(ctx); done || err != nil {
			return err
		}
	}
}

// numbers reads n of them, each below 1<<62.
func (r *referred) numbers(n int) ([]int64, error) {
	out := make([]int64, n)
	for i := range out {
		v, err := number(r.in)
		if err != nil {
			return nil, err
		}
		if v >= 1<<62 {
			return nil, ErrForm
		}
		out[i] = int64(v)
	}
	return out, nil
}

func (r *referred) entry(ctx context.Context) (done bool, err error) {
	kind, err := r.numbers(1)
	if err != nil {
		return false, err
	}
	switch kind[0] {
	case referEnd:
		return true, atEnd(r.in)
	case referCopy:
		return false, r.copy(ctx)
	case referPiece:
		return false, r.tell()
	}
	return false, ErrForm
}

// within is nil if old has so many bytes from an offset on.
func (r *referred) within(offset, size int64) error {
	if size > r.old.Size || offset > r.old.Size-size {
		return ErrForm
	}
	return nil
}

func (r *referred) copy(ctx context.Context) error {
	n, err := r.numbers(2)
	if err != nil {
		return err
	}
	from, size := n[0], n[1]
	if size == 0 || r.within(from, size) != nil {
		return ErrForm
	}
	r.piece = slices.Grow(r.piece[:0], copied)[:copied]
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := r.piece[:min(size, copied)]
		if err := r.read(b, from); err != nil {
			return err
		}
		if _, err := r.out.Write(b); err != nil {
			return err
		}
		from, size = from+int64(len(b)), size-int64(len(b))
	}
	return nil
}

const copied = 256 << 10 // bytes at a time

func (r *referred) read(b []byte, from int64) error {
	if n, err := r.old.ReadAt(b, from); n < len(b) {
		return fmt.Errorf("read old: %w", err)
	}
	return nil
}

// tell writes a piece that refers to some of old.
func (r *referred) tell() error {
	n, err := r.numbers(4)
	if err != nil {
		return err
	}
	from, refers, size, packed := n[0], n[1], n[2], n[3]
	if refers > min(maxReference, r.left) || size == 0 || size > maxPiece || packed > size || r.within(from, refers) != nil {
		return ErrForm
	}
	r.left -= refers
	r.packed = slices.Grow(r.packed[:0], int(packed))[:packed]
	if _, err := io.ReadFull(r.in, r.packed); err != nil {
		return short(err)
	}
	if packed < size {
		return r.unpack(from, refers, size)
	}
	_, err = r.out.Write(r.packed)
	return err
}

func (r *referred) unpack(from, refers, size int64) error {
	r.reference = slices.Grow(r.reference[:0], int(refers))[:refers]
	if err := r.read(r.reference, from); err != nil {
		return err
	}
	if err := r.zstd.ResetWithOptions(nil, zstd.WithDecoderDictRaw(referDictionary, r.reference)); err != nil {
		return err
	}
	r.piece = slices.Grow(r.piece[:0], int(size))
	out, err := r.zstd.DecodeAll(r.packed, r.piece[:0:size])
	if err != nil || len(out) != int(size) {
		return ErrForm
	}
	_, err = r.out.Write(out)
	return err
}
