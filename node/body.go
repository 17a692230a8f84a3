package node

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
	"selvage/internal/ident"
	"selvage/ledger"
)

// body is how the bodies of one kind of entry are written, alike on every machine, and read. It is safe for concurrent use.
type body[T any] struct {
	what  string
	most  int // bytes
	enc   cbor.EncMode
	dec   cbor.DecMode
	check func(T) error
}

// newBody is of a kind that is called what in errors: most bytes, arrays of items elements at most, and values that check finds right.
func newBody[T any](what string, most, items int, check func(T) error) (body[T], error) {
	enc, dec, err := canon.Modes(canon.Bounds{Array: items, Depth: 4})
	return body[T]{what, most, enc, dec, check}, err
}

var errTooLong = errors.New("it is too long")

// encode writes a value, and fails for what no other node would read.
func (b body[T]) encode(v T) ([]byte, error) {
	data, err := b.enc.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", b.what, err)
	}
	_, err = b.decode(data)
	return data, err
}

// decode reads what another node wrote, and believes nothing that no node writes. Unknown fields are passed over: they are a newer
// version's.
func (b body[T]) decode(data []byte) (T, error) {
	var v, none T
	if len(data) > b.most {
		return none, fmt.Errorf("decode %s: %w, of more than %d bytes", b.what, errTooLong, b.most)
	}
	err := b.dec.Unmarshal(data, &v)
	if err == nil {
		err = b.check(v)
	}
	if err != nil {
		return none, fmt.Errorf("decode %s: %w", b.what, err)
	}
	return v, nil
}

// latest keeps the newest entry of each author as it was read once; those that cannot be read, too.
type latest[T any] map[ident.NodeID]readOnce[T]

type readOnce[T any] struct {
	seq   uint64 // of the entry
	value T
	ok    bool
}

// read reads an entry, or remembers that it did; false if it cannot be read. The caller sees to it that one goroutine at a time does.
func (l latest[T]) read(b body[T], r ledger.Report) (T, bool) {
	if d, ok := l[r.Node]; ok && d.seq == r.Seq {
		return d.value, d.ok
	}
	v, err := b.decode(r.Body)
	l[r.Node] = readOnce[T]{r.Seq, v, err == nil}
	return v, err == nil
}
