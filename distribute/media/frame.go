package media

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// What is wrong with a file.
var (
	// ErrForm: it is no file of this package.
	ErrForm = errors.New("not a file of releases")
	// ErrTruncated: it ends too early.
	ErrTruncated = errors.New("the file is cut short")
	// ErrDamaged: bytes are not what their CID says.
	ErrDamaged = errors.New("the file is damaged")
)

// Error says where in a file something is wrong.
type Error struct {
	At  int64 // bytes from the beginning
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %v", e.At, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// cidLen is how long each CID is, in bytes: version, codec, hash and its length, 32 bytes of SHA-256.
const cidLen = 36

// The header of a CAR with one root: DAG-CBOR has one form only, so the bytes around the root are always the same.
var (
	headerHead = []byte("\xa2\x65roots\x81\xd8\x2a\x58\x25\x00")
	headerTail = []byte("\x67version\x01")
	headerLen  = len(headerHead) + cidLen + len(headerTail)
	// pragma is how a CAR of version 2 begins.
	pragma = []byte("\xa1\x67version\x02")
)

func header(root cid.Cid) []byte {
	out := binary.AppendUvarint(nil, uint64(headerLen))
	return append(append(append(out, headerHead...), root.Bytes()...), headerTail...)
}

// sectionLen is how many bytes a block takes in the file.
func sectionLen(size int) int64 {
	n := cidLen + size
	return int64(len(binary.AppendUvarint(nil, uint64(n))) + n)
}

func writeSection(w io.Writer, c cid.Cid, data []byte) error {
	head := append(binary.AppendUvarint(nil, uint64(cidLen+len(data))), c.Bytes()...)
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// cidOf names a block of one of the two kinds that a file has.
func cidOf(codec uint64, data []byte) cid.Cid {
	sum := sha256.Sum256(data)
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil { // the length is right
		panic(err)
	}
	return cid.NewCidV1(codec, mh)
}

// reader reads a file block by block.
type reader struct {
	r      *bufio.Reader
	at     int64 // bytes that were read
	blocks int
	buf    []byte // of the block that was read last
}

func newReader(r io.Reader) *reader { return &reader{r: bufio.NewReaderSize(r, 1<<18)} }

// ReadByte implements io.ByteReader.
func (r *reader) ReadByte() (byte, error) {
	b, err := r.r.ReadByte()
	if err == nil {
		r.at++
	}
	return b, err
}

// fill reads so many bytes, to be used before the next are read.
func (r *reader) fill(n int) ([]byte, error) {
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	got, err := io.ReadFull(r.r, r.buf[:n])
	r.at += int64(got)
	return r.buf[:n], err
}

// fail gives an error its place. That the file ends is told from that it cannot be read.
func (r *reader) fail(at int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at, err = r.at, ErrTruncated
	}
	return &Error{at, err}
}

// root reads the header.
func (r *reader) root() (cid.Cid, error) {
	n, err := binary.ReadUvarint(r)
	switch {
	case err != nil:
		return cid.Undef, r.fail(0, formOr(err))
	case n != uint64(headerLen) && n != uint64(len(pragma)):
		return cid.Undef, r.fail(0, fmt.Errorf("%w: a CAR of version 1 with one root begins otherwise", ErrForm))
	}
	head, err := r.fill(int(n))
	if err != nil {
		return cid.Undef, r.fail(0, err)
	}
	if bytes.Equal(head, pragma) {
		return cid.Undef, r.fail(0, fmt.Errorf("%w: it is a CAR of version 2", ErrForm))
	}
	if !bytes.HasPrefix(head, headerHead) || !bytes.HasSuffix(head, headerTail) {
		return cid.Undef, r.fail(0, fmt.Errorf("%w: a CAR of version 1 with one root begins otherwise", ErrForm))
	}
	c, err := cid.Cast(head[len(headerHead) : len(headerHead)+cidLen])
	if err != nil || c.Prefix() != cid.NewPrefixV1(cid.DagProtobuf, multihash.SHA2_256) {
		return cid.Undef, r.fail(0, fmt.Errorf("%w: its root is no directory", ErrForm))
	}
	return c, nil
}

// formOr tells a number that is none from a file that cannot be read.
func formOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrForm, err)
}

// next reads the block whose turn it is, of at most so many bytes, and checks it.
func (r *reader) next(want cid.Cid, most int) ([]byte, error) {
	at := r.at
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, r.fail(at, formOr(err))
	}
	if n < cidLen {
		return nil, r.fail(at, fmt.Errorf("%w: a block without a CID of this kind", ErrForm))
	}
	head, err := r.fill(cidLen)
	if err != nil {
		return nil, r.fail(at, err)
	}
	if !bytes.Equal(head, want.Bytes()) {
		return nil, r.fail(at, fmt.Errorf("%w: another block where %s has to come", ErrDamaged, want))
	}
	if n > cidLen+uint64(most) {
		return nil, r.fail(at, fmt.Errorf("%w: block %s of %d bytes, at most %d can be", ErrForm, want, n-cidLen, most))
	}
	data, err := r.fill(int(n) - cidLen)
	if err != nil {
		return nil, r.fail(at, err)
	}
	if !cidOf(want.Prefix().Codec, data).Equals(want) {
		return nil, r.fail(at, fmt.Errorf("%w: block %s has other bytes", ErrDamaged, want))
	}
	r.blocks++
	return data, nil
}

// end checks that the file ends here.
func (r *reader) end() error {
	at := r.at
	switch _, err := r.ReadByte(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return r.fail(at, err)
	}
	return r.fail(at, fmt.Errorf("%w: there is more after its last block", ErrForm))
}
