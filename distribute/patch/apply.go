package patch

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Result is what a patch has to make: its length in bytes, and its SHA-256.
type Result struct {
	Size   int64
	Digest [sha256.Size]byte
}

// Apply writes what the patch makes of old to w, in order, and returns nil only if that is want:
// until then, nothing of what was written is to be used. It writes at most want.Size bytes, and holds
// less than 64 MiB whatever the files' sizes. Errors: ErrForm, ErrVersion, ErrResult, the context's, and those of
// reading and writing, which say nothing about the patch.
func Apply(ctx context.Context, old File, patch io.Reader, w io.Writer, want Result) error {
	in, out := bufio.NewReader(patch), &checked{w: w, hash: sha256.New(), left: want.Size}
	if err := applyTo(ctx, old, in, out); err != nil {
		return fmt.Errorf("apply patch: %w", err)
	}
	if out.left != 0 || [sha256.Size]byte(out.hash.Sum(nil)) != want.Digest {
		return fmt.Errorf("apply patch: %w", ErrResult)
	}
	return nil
}

// applyTo applies a patch of either version.
func applyTo(ctx context.Context, old File, in *bufio.Reader, out *checked) error {
	b := make([]byte, len(magic)+1)
	if _, err := io.ReadFull(in, b); err != nil {
		return short(err)
	}
	if string(b[:len(magic)]) != magic {
		return ErrForm
	}
	switch size := out.left; b[len(magic)] {
	case version:
		a := applier{old: old, inflate: inflateMost(size), unpack: unpackMost(size), in: in, out: out}
		return a.run(ctx)
	case referVersion:
		r := referred{old: old, left: referMost(size), in: in, out: out}
		return r.run(ctx)
	}
	return ErrVersion
}

// checked passes on no more than left bytes, and sums them.
type checked struct {
	w    io.Writer
	hash hash.Hash
	left int64 // Invariant: >= 0
}

func (c *checked) Write(b []byte) (int, error) {
	if int64(len(b)) > c.left {
		return 0, ErrResult
	}
	c.left -= int64(len(b))
	c.hash.Write(b) // a hash never fails
	return c.w.Write(b)
}

// applier is where an application is.
type applier struct {
	old     File
	in      *bufio.Reader
	zstd    *zstd.Decoder
	parts   [parts]part // of the frame at hand
	packed  []byte
	source  io.ReaderAt
	size    int64 // of source
	pos     int64 // in source. Invariant: 0 <= pos <= size
	content []byte
	out     *checked
	deflate *deflater // where output goes, if not nil
	unpack  int64     // bytes that parts may still unpack to. Invariant: >= 0
	inflate int64     // bytes that may still be inflated or deflated. Invariant: >= 0
	buf     []byte
}

// part is what is left of one.
type part struct {
	whole, left []byte
}

func (a *applier) run(ctx context.Context) error {
	if err := a.header(); err != nil {
		return err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPart), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return err
	}
	defer dec.Close()
	a.zstd, a.buf = dec, make([]byte, 64<<10)
	a.source, a.size = a.old, a.old.Size
	for {
		if err := a.frame(); err != nil {
			return err
		}
		for len(a.parts[ops].left) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			done, err := a.op(ctx)
			if done || err != nil {
				return err
			}
		}
		if len(a.parts[diffs].left)+len(a.parts[literals].left) > 0 {
			return ErrForm
		}
	}
}

// header reads what follows the version.
func (a *applier) header() error {
	b := make([]byte, printLen)
	if _, err := io.ReadFull(a.in, b); err != nil {
		return short(err)
	}
	if !bytes.Equal(b, deflaterPrint()) {
		return ErrVersion
	}
	size, err := number(a.in)
	if err != nil {
		return err
	}
	if size != uint64(a.old.Size) {
		return fmt.Errorf("%w: it is for %d bytes, here are %d", ErrForm, size, a.old.Size)
	}
	return nil
}

// short is err, or ErrForm where the patch ended too early. Failures of the reader stay what they are: the patch may be good.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrForm
	}
	return err
}

// number reads one; what is none is ErrForm.
func number(in *bufio.Reader) (uint64, error) {
	var b []byte
	for len(b) < binary.MaxVarintLen64 {
		c, err := in.ReadByte()
		if err != nil {
			return 0, short(err)
		}
		if b = append(b, c); c < 0x80 {
			break
		}
	}
	n, used := binary.Uvarint(b)
	if used <= 0 {
		return 0, ErrForm
	}
	return n, nil
}

// frame reads the next.
func (a *applier) frame() error {
	total := 0
	for i := range a.parts {
		if err := a.part(&a.parts[i]); err != nil {
			return err
		}
		total += len(a.parts[i].left)
	}
	if total == 0 {
		return ErrForm
	}
	return nil
}

func (a *applier) part(p *part) error {
	size, err := number(a.in)
	if err != nil {
		return err
	}
	packed, err := number(a.in)
	if err != nil {
		return err
	}
	if size > maxPart || packed > size || int64(size) > a.unpack {
		return ErrForm
	}
	a.unpack -= int64(size)
	p.whole = slices.Grow(p.whole[:0], int(size))[:size:size]
	p.left = p.whole
	if packed == size {
		_, err := io.ReadFull(a.in, p.left)
		return short(err)
	}
	a.packed = slices.Grow(a.packed[:0], int(packed))[:packed]
	if _, err := io.ReadFull(a.in, a.packed); err != nil {
		return short(err)
	}
	if p.left, err = a.zstd.DecodeAll(a.packed, p.whole[:0]); err != nil || len(p.left) != int(size) {
		return ErrForm
	}
	return nil
}

// number takes one off the operations.
func (a *applier) number() (uint64, error) {
	p := &a.parts[ops]
	n, used := binary.Uvarint(p.left)
	if used <= 0 {
		return 0, ErrForm
	}
	p.left = p.left[used:]
	return n, nil
}

// length is a number that is a count of bytes, below 1<<62.
func (a *applier) length() (int64, error) {
	n, err := a.number()
	if err == nil && n >= 1<<62 {
		err = ErrForm
	}
	return int64(n), err
}

// take takes n bytes off a part.
func (a *applier) take(i int, n int64) ([]byte, error) {
	p := &a.parts[i]
	if n > int64(len(p.left)) {
		return nil, ErrForm
	}
	b := p.left[:n]
	p.left = p.left[n:]
	return b, nil
}

// op does the next operation; done says that it was the last.
func (a *applier) op(ctx context.Context) (done bool, err error) {
	tag, err := a.number()
	if err != nil {
		return false, err
	}
	n := int64(tag >> 2)
	switch tag & 3 {
	case cp:
		return false, a.fromSource(ctx, n, nil)
	case add:
		diff, err := a.take(diffs, n)
		if err != nil {
			return false, err
		}
		return false, a.fromSource(ctx, n, diff)
	case insert:
		b, err := a.take(literals, n)
		if err != nil {
			return false, err
		}
		return false, a.write(b)
	}
	return a.other(n)
}

func (a *applier) other(what int64) (done bool, err error) {
	switch what {
	case end:
		return true, a.end()
	case srcOld:
		a.source, a.size, a.pos = a.old, a.old.Size, 0
		return false, nil
	case srcInflated:
		return false, a.open()
	case sinkPlain:
		return false, a.plain()
	case sinkDeflate:
		return false, a.startDeflate()
	case seek:
		return false, a.seek()
	}
	return false, ErrForm
}

// fromSource writes n bytes of the source, with the differences added if there are any.
func (a *applier) fromSource(ctx context.Context, n int64, diff []byte) error {
	if n > a.size-a.pos {
		return ErrForm
	}
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := a.buf[:min(n, int64(len(a.buf)))]
		if k, err := a.source.ReadAt(b, a.pos); k < len(b) {
			return fmt.Errorf("read old: %w", err)
		}
		if diff != nil {
			for i := range b {
				b[i] += diff[i]
			}
			diff = diff[len(b):]
		}
		if err := a.write(b); err != nil {
			return err
		}
		a.pos += int64(len(b))
		n -= int64(len(b))
	}
	return nil
}

func (a *applier) write(b []byte) error {
	if a.deflate == nil {
		_, err := a.out.Write(b)
		return err
	}
	if err := a.charge(int64(len(b))); err != nil {
		return err
	}
	_, err := a.deflate.Write(b)
	return err
}

// charge takes n off what may be inflated or deflated.
func (a *applier) charge(n int64) error {
	if n > a.inflate {
		return ErrForm
	}
	a.inflate -= n
	return nil
}

// seek moves in the source.
func (a *applier) seek() error {
	n, err := a.number()
	if err != nil {
		return err
	}
	by := int64(n>>1) ^ -int64(n&1)
	if by < -a.pos || by > a.size-a.pos {
		return ErrForm
	}
	a.pos += by
	return nil
}

// open makes what a region of old inflates to the source.
func (a *applier) open() error {
	var f [3]int64
	for i := range f {
		var err error
		if f[i], err = a.length(); err != nil {
			return err
		}
	}
	r := region{offset: f[0], packed: f[1], size: f[2]}
	if r.size > maxInflated || r.packed > a.old.Size || r.offset > a.old.Size-r.packed {
		return ErrForm
	}
	if err := a.charge(r.cost()); err != nil {
		return err
	}
	a.content = slices.Grow(a.content[:0], int(r.size))[:r.size]
	if err := inflate(io.NewSectionReader(a.old, r.offset, r.packed), a.content); err != nil {
		return err
	}
	a.source, a.size, a.pos = bytes.NewReader(a.content), r.size, 0
	return nil
}

func (a *applier) startDeflate() error {
	n, err := a.number()
	if err != nil {
		return err
	}
	if a.deflate != nil || n > maxLevel-minLevel {
		return ErrForm
	}
	if err := a.charge(startCost); err != nil {
		return err
	}
	a.deflate, err = newDeflater(a.out, int(n)+minLevel)
	return err
}

// plain ends what is deflated.
func (a *applier) plain() error {
	if a.deflate == nil {
		return ErrForm
	}
	err := a.deflate.Close()
	a.deflate = nil
	return err
}

// end checks that nothing follows.
func (a *applier) end() error {
	for _, p := range a.parts {
		if len(p.left) > 0 {
			return ErrForm
		}
	}
	if a.deflate != nil {
		return ErrForm
	}
	return atEnd(a.in)
}

// atEnd fails if anything follows.
func atEnd(in *bufio.Reader) error {
	switch _, err := in.ReadByte(); {
	case err == nil:
		return ErrForm
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}
