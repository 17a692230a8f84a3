package patch

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
)

// region is a deflate stream (RFC 1951) in a file.
type region struct {
	offset, packed int64 // where it begins, and its length
	size           int64 // of what it inflates to, maxInflated at most
	level          int   // of compress/flate, at which the same stream comes out
}

const (
	minRegion = 256 // bytes; shorter streams are left as they are
	noLevel   = -3  // not one of compress/flate
)

// finder finds deflate streams: in zlib (RFC 1950), gzip (RFC 1952), and zip.
type finder struct {
	data    []byte
	inflate io.ReadCloser
	budget  int64 // bytes that may still be inflated in vain
}

// regions finds the deflate streams of data, in order, none in another, that touch what is left of
// it. With exact, only those that this machine's deflate makes again bit by bit.
func regions(ctx context.Context, data []byte, left []span, exact bool) ([]region, error) {
	f := finder{data: data, inflate: flate.NewReader(nil), budget: 2 * int64(len(data))}
	var out []region
	for at := 0; at+minRegion < len(data); at++ {
		begin, levels := f.begin(at)
		if begin < 0 || begin >= len(data) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, ok := f.region(begin)
		if !ok {
			continue
		}
		for len(left) > 0 && left[0].to <= begin {
			left = left[1:]
		}
		if len(left) == 0 {
			return out, nil
		}
		at = begin + int(r.packed) - 1
		if left[0].from <= at && (!exact || f.exact(&r, levels)) {
			out = append(out, r)
		}
	}
	return out, nil
}

// begin is where the stream would begin whose header is at at, and the levels it may have been made
// at, likely ones first; negative if there is no header.
func (f *finder) begin(at int) (int, []int) {
	b := f.data[at:]
	switch {
	case b[0] == 0x78 && b[1]&0x20 == 0 && (int(b[0])<<8|int(b[1]))%31 == 0:
		return at + 2, [...][]int{{1, -2}, {5, 4, 3, 2}, {6}, {9, 8, 7}}[b[1]>>6]
	case b[0] == 0x1f && b[1] == 0x8b && b[2] == 8:
		return at + gzipHeader(b), []int{6, 9, 1, 5, 4, 3, 2, 7, 8}
	case b[0] == 'P' && b[1] == 'K' && b[2] == 3 && b[3] == 4 && b[8] == 8 && b[9] == 0:
		name, extra := binary.LittleEndian.Uint16(b[26:]), binary.LittleEndian.Uint16(b[28:])
		return at + 30 + int(name) + int(extra), []int{6, 5, 9, 1, 4, 3, 2, 7, 8}
	}
	return -1, nil
}

// gzipHeader is the length of the header that b begins with.
func gzipHeader(b []byte) int {
	const crc, extra, name, comment = 2, 4, 8, 16
	n := 10
	if b[3]&extra != 0 {
		n += 2 + int(binary.LittleEndian.Uint16(b[n:]))
	}
	for _, flag := range []byte{name, comment} {
		if b[3]&flag != 0 {
			n += bytes.IndexByte(b[min(n, len(b)):], 0) + 1
		}
	}
	if b[3]&crc != 0 {
		n += 2
	}
	return n
}

// region reads the stream that begins at begin.
func (f *finder) region(begin int) (region, bool) {
	in := bytes.NewReader(f.data[begin:])
	if f.budget <= 0 || f.inflate.(flate.Resetter).Reset(in, nil) != nil {
		return region{}, false
	}
	n, err := io.Copy(io.Discard, io.LimitReader(f.inflate, maxInflated+1))
	r := region{offset: int64(begin), packed: int64(len(f.data) - begin - in.Len()), size: n, level: noLevel}
	if err != nil || n > maxInflated || r.packed < minRegion {
		f.budget -= n
		return region{}, false
	}
	return r, true
}

// exact reports whether deflate makes the stream again, and sets at which level.
func (f *finder) exact(r *region, levels []int) bool {
	content, err := r.content(f.data)
	if err != nil {
		return false
	}
	for _, level := range levels {
		if deflatesTo(content, level, f.data[r.offset:r.offset+r.packed]) {
			r.level = level
			return true
		}
	}
	return false
}

// errStream says that a region is not what it was said to be.
var errStream = fmt.Errorf("%w: not such a deflate stream", ErrForm)

// inflate fills content with what a stream holds, which has to be just that.
func inflate(packed io.Reader, content []byte) error {
	stream := flate.NewReader(bufio.NewReader(packed))
	if _, err := io.ReadFull(stream, content); err != nil {
		return streamErr(err)
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(stream, 1)); n != 0 {
		return errStream
	} else if err != nil {
		return streamErr(err)
	}
	return nil
}

// streamErr is errStream, but for failures to read old.
func streamErr(err error) error {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errStream
	}
	return err
}

// cost is what inflating it counts as. It may inflate to less than it is long: then reading it is what takes time.
func (r region) cost() int64 { return startCost + max(r.packed, r.size) }

// content is what the region of data inflates to.
func (r region) content(data []byte) ([]byte, error) {
	b := make([]byte, r.size)
	return b, inflate(bytes.NewReader(data[r.offset:r.offset+r.packed]), b)
}

// deflatesTo reports whether content becomes packed at a level.
func deflatesTo(content []byte, level int, packed []byte) bool {
	c := &comparer{want: packed}
	w, err := newDeflater(c, level)
	if err != nil {
		return false
	}
	if _, err := w.Write(content); err != nil {
		return false
	}
	return w.Close() == nil && len(c.want) == 0
}

// comparer is a writer that fails on the first byte that is not what is wanted.
type comparer struct{ want []byte }

func (c *comparer) Write(b []byte) (int, error) {
	if !bytes.HasPrefix(c.want, b) {
		return 0, errStream
	}
	c.want = c.want[len(b):]
	return len(b), nil
}

// deflater deflates in writes of one length, however it is written to: so the maker and the applier
// make the same stream.
type deflater struct {
	flate *flate.Writer
	buf   []byte
}

func newDeflater(w io.Writer, level int) (*deflater, error) {
	f, err := flate.NewWriter(w, level)
	if err != nil {
		return nil, err
	}
	return &deflater{f, make([]byte, 0, 32<<10)}, nil
}

func (d *deflater) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := min(len(b), cap(d.buf)-len(d.buf))
		d.buf, b = append(d.buf, b[:k]...), b[k:]
		if len(d.buf) < cap(d.buf) {
			break
		}
		if _, err := d.flate.Write(d.buf); err != nil {
			return 0, err
		}
		d.buf = d.buf[:0]
	}
	return n, nil
}

// Close writes what is left, and the end of the stream.
func (d *deflater) Close() error {
	if _, err := d.flate.Write(d.buf); err != nil {
		return err
	}
	return d.flate.Close()
}

// Print names the deflate of this program, hex: a patch counts on that which it was made with.
func Print() string { return hex.EncodeToString(deflaterPrint()) }

// deflaterPrint names what this program's deflate makes of some bytes. compress/flate promises valid
// streams, not the same ones in each version of Go: by this an applier knows that a patch counts on
// another's, before it has fetched it.
var deflaterPrint = sync.OnceValue(func() []byte {
	h := sha256.New()
	for _, level := range []int{-2, 1, 2, 3, 4, 5, 6, 7, 8, 9} {
		w, err := newDeflater(h, level)
		if err == nil {
			_, err = w.Write(sample())
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			panic(err) // a hash takes all, and the levels are flate's
		}
	}
	return h.Sum(nil)[:printLen]
})

// sample is 96 KiB, three of deflate's windows, that have runs, near and far repetitions, and noise.
func sample() []byte {
	b := make([]byte, 0, 96<<10)
	x := uint64(1)
	for len(b) < cap(b) {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17 // xorshift64
		if at, n := int(x>>8%uint64(len(b)+1)), int(x>>40%64); x%3 > 0 && at+n < len(b) && len(b)+n < cap(b) {
			b = append(b, b[at:at+n]...)
			continue
		}
		b = append(b, byte(x>>56)&0x3f)
	}
	return b
}
