package patch

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zstd"
)

// writer puts operations into frames. It is not safe for use by two at once.
type writer struct {
	w     io.Writer
	zstd  *zstd.Encoder
	parts [parts][]byte // of the frame at hand: operations, differences, literal bytes
	pos   int64         // where the applier is in its source
	frame []byte
	left  int64 // bytes that may still be inflated and deflated, as the applier counts
}

// fewBytes is how large what is patched to has to be for zstd's best level to pay: it clears 36 MB of tables
// first, which takes longer than all the rest for a small file, and saves some 5% of little.
const fewBytes = 1 << 20

// newWriter writes a patch to size bytes, which may have left bytes inflated and deflated.
func newWriter(w io.Writer, size, left int64) (*writer, error) {
	level := zstd.SpeedBestCompression
	if size < fewBytes {
		level = zstd.SpeedBetterCompression
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithWindowSize(maxPart))
	if err != nil {
		return nil, err
	}
	return &writer{w: w, zstd: enc, left: left}, nil
}

// header begins the patch.
func (w *writer) header(oldSize int64) error {
	b := append([]byte(magic), version)
	b = append(b, deflaterPrint()...)
	_, err := w.w.Write(binary.AppendUvarint(b, uint64(oldSize)))
	return err
}

// op appends an operation: n of a kind, and what else belongs to it. Differences or literals are appended after it, to the same frame:
// so it is before an operation that a frame is full of them.
func (w *writer) op(kind, n uint64, args ...uint64) error {
	if len(w.parts[ops]) > maxPart-maxOp {
		if err := w.flush(); err != nil {
			return err
		}
	}
	b := binary.AppendUvarint(w.parts[ops], n<<2|kind)
	for _, a := range args {
		b = binary.AppendUvarint(b, a)
	}
	w.parts[ops] = b
	return nil
}

// afford reports whether n bytes more may be inflated and deflated, and counts them if so.
func (w *writer) afford(n int64) bool {
	if n > w.left {
		return false
	}
	w.left -= n
	return true
}

// inflate makes what a region of old inflates to the source.
func (w *writer) inflate(r region) error {
	w.pos = 0
	return w.op(other, srcInflated, uint64(r.offset), uint64(r.packed), uint64(r.size))
}

// original makes old itself the source.
func (w *writer) original() error {
	w.pos = 0
	return w.op(other, srcOld)
}

// deflate has what follows deflated at a level; plain ends it.
func (w *writer) deflate(level int) error { return w.op(other, sinkDeflate, uint64(level-minLevel)) }
func (w *writer) plain() error            { return w.op(other, sinkPlain) }

// copy writes n bytes as those of old from pos on.
func (w *writer) copy(pos, n int64) error {
	if err := w.moveTo(pos); err != nil {
		return err
	}
	w.pos += n
	return w.op(cp, uint64(n))
}

// moveTo has the applier be at pos in its source.
func (w *writer) moveTo(pos int64) error {
	if pos == w.pos {
		return nil
	}
	by := pos - w.pos
	w.pos = pos
	return w.op(other, seek, zigzag(by))
}

// add writes the bytes of new as their differences to those of old, which begin at pos in the source.
func (w *writer) add(pos int64, old, new []byte) error {
	if len(new) == 0 {
		return nil
	}
	if err := w.moveTo(pos); err != nil {
		return err
	}
	w.pos += int64(len(new))
	for len(new) > 0 {
		n := agree(old, new)
		if n < minCopy && n < len(new) {
			n = 0
		}
		if n > 0 {
			if err := w.op(cp, uint64(n)); err != nil {
				return err
			}
			old, new = old[n:], new[n:]
			continue
		}
		n = min(differ(old, new), maxPart-len(w.parts[diffs]))
		if err := w.op(add, uint64(n)); err != nil {
			return err
		}
		for i, c := range new[:n] {
			w.parts[diffs] = append(w.parts[diffs], c-old[i])
		}
		old, new = old[n:], new[n:]
		if err := w.full(diffs); err != nil {
			return err
		}
	}
	return nil
}

// differ is how long no stretch of minCopy equal bytes comes.
func differ(old, new []byte) int {
	equal := 0
	for i, c := range new {
		if equal++; old[i] != c {
			equal = 0
		}
		if equal == minCopy {
			return i + 1 - minCopy
		}
	}
	return len(new)
}

// insert writes bytes as they are.
func (w *writer) insert(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxPart-len(w.parts[literals]))
		if err := w.op(insert, uint64(n)); err != nil {
			return err
		}
		w.parts[literals] = append(w.parts[literals], b[:n]...)
		b = b[n:]
		if err := w.full(literals); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) full(part int) error {
	if len(w.parts[part]) < maxPart {
		return nil
	}
	return w.flush()
}

// flush writes the frame at hand.
func (w *writer) flush() error {
	w.frame = w.frame[:0]
	for i, p := range w.parts {
		packed := w.zstd.EncodeAll(p, nil)
		if len(packed) >= len(p) {
			packed = p
		}
		w.frame = binary.AppendUvarint(w.frame, uint64(len(p)))
		w.frame = binary.AppendUvarint(w.frame, uint64(len(packed)))
		w.frame = append(w.frame, packed...)
		w.parts[i] = p[:0]
	}
	_, err := w.w.Write(w.frame)
	return err
}

// close writes what is left, and the end.
func (w *writer) close() error {
	if err := w.op(other, end); err != nil {
		return err
	}
	return w.flush()
}

func zigzag(n int64) uint64 { return uint64(n<<1) ^ uint64(n>>63) }
