package lease

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
	"selvage/internal/ident"
)

// ErrMalformed is wrapped by the errors for what is not in its one form, or out of bounds.
var ErrMalformed = errors.New("malformed")

// MaxEncoded bounds the bytes of a message, and of a record.
const MaxEncoded = 2048

// wireVersion is the first field of what is encoded.
const wireVersion = 1

// maxNumber bounds counters, so that none overflows.
const maxNumber = 1 << 62

type wireLife struct {
	_     struct{} `cbor:",toarray"`
	Count uint64
	Salt  uint64
}

type wireBallot struct {
	_       struct{} `cbor:",toarray"`
	Counter uint64
	Life    wireLife
	Node    []byte
}

type wireVoter struct {
	_       struct{} `cbor:",toarray"`
	Node    []byte
	Witness bool
}

type wireConfig struct {
	_      struct{} `cbor:",toarray"`
	Epoch  uint64
	Voters []wireVoter
}

type wireChange struct {
	_      struct{} `cbor:",toarray"`
	Ballot wireBallot
	Voters []wireVoter
}

type wireMessage struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Kind      uint8
	Config    wireConfig
	Life      wireLife
	Clock     int64
	Ballot    wireBallot
	Round     uint64
	Change    *wireChange
	Promised  wireBallot
	Remaining int64
	Doubt     bool
}

type wireRecord struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Life     wireLife
	Promised wireBallot
	Config   wireConfig
	Pending  *wireChange
}

// Encode returns the one form of a message.
func (m Message) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encode lease message: %w", err)
	}
	return marshal(wireMessage{Version: wireVersion, Kind: uint8(m.Kind), Config: m.Config.wire(), Life: m.Life.wire(), Clock: int64(m.Clock),
		Ballot: m.Ballot.wire(), Round: m.Round, Change: m.Change.wire(), Promised: m.Promised.wire(), Remaining: int64(m.Remaining), Doubt: m.Doubt})
}

// DecodeMessage reads what Message.Encode writes, and nothing else. Errors wrap ErrMalformed.
func DecodeMessage(data []byte) (Message, error) {
	var w wireMessage
	if err := unmarshal(data, &w); err != nil {
		return Message{}, err
	}
	var r reader
	m := Message{Kind: Kind(w.Kind), Config: r.config(w.Config), Life: w.Life.life(), Clock: time.Duration(w.Clock), Ballot: r.ballot(w.Ballot),
		Round: w.Round, Change: r.change(w.Change), Promised: r.ballot(w.Promised), Remaining: time.Duration(w.Remaining), Doubt: w.Doubt}
	return m, r.done(data, w.Version, m.check(), m.Encode)
}

// Encode returns the one form of a record.
func (r Record) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("encode lease record: %w", err)
	}
	return marshal(wireRecord{Version: wireVersion, Life: r.Incarnation.wire(), Promised: r.Promised.wire(), Config: r.Config.wire(), Pending: r.Pending.wire()})
}

// DecodeRecord reads what Record.Encode writes, and nothing else. Errors wrap ErrMalformed.
func DecodeRecord(data []byte) (Record, error) {
	var w wireRecord
	if err := unmarshal(data, &w); err != nil {
		return Record{}, err
	}
	var r reader
	rec := Record{Incarnation: w.Life.life(), Promised: r.ballot(w.Promised), Config: r.config(w.Config), Pending: r.change(w.Pending)}
	return rec, r.done(data, w.Version, rec.check(), rec.Encode)
}

// form is how messages and records are written and read. It is set up once: that takes longer than either.
type form struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

var theForm = sync.OnceValues(func() (form, error) {
	enc, dec, err := canon.Modes(canon.Bounds{Array: 16, Depth: 5})
	return form{enc, dec}, err
})

func marshal(v any) ([]byte, error) {
	f, err := theForm()
	if err != nil {
		return nil, err
	}
	return f.enc.Marshal(v)
}

func unmarshal(data []byte, v any) error {
	if len(data) > MaxEncoded {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(data))
	}
	f, err := theForm()
	if err != nil {
		return err
	}
	if err := f.dec.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// reader turns what was read into values, and remembers whether a node's ID was none.
type reader struct{ bad bool }

// done is the error of a decoding: the form has to be right, its version known, and the value to encode to the same bytes.
func (r *reader) done(data []byte, version uint64, wrong error, encode func() ([]byte, error)) error {
	switch {
	case r.bad:
		return fmt.Errorf("%w: bad node ID", ErrMalformed)
	case version != wireVersion:
		return fmt.Errorf("%w: version %d", ErrMalformed, version)
	case wrong != nil:
		return wrong
	}
	if again, err := encode(); err != nil || !bytes.Equal(again, data) {
		return fmt.Errorf("%w: not in its one form", ErrMalformed)
	}
	return nil
}

func (r *reader) node(b []byte) ident.NodeID {
	switch len(b) {
	case 0: // that of no ballot
		return ident.NodeID{}
	case len(ident.NodeID{}):
		return ident.NodeID(b)
	}
	r.bad = true
	return ident.NodeID{}
}

func (r *reader) ballot(w wireBallot) Ballot {
	return Ballot{w.Counter, w.Life.life(), r.node(w.Node)}
}

func (r *reader) voters(ws []wireVoter) []Voter {
	if len(ws) == 0 {
		return nil
	}
	vs := make([]Voter, len(ws))
	for i, w := range ws {
		vs[i] = Voter{r.node(w.Node), w.Witness}
	}
	return vs
}

func (r *reader) config(w wireConfig) Config {
	return Config{w.Epoch, r.voters(w.Voters)}
}

func (r *reader) change(w *wireChange) *Change {
	if w == nil {
		return nil
	}
	return &Change{r.ballot(w.Ballot), r.voters(w.Voters)}
}

func (w wireLife) life() Incarnation { return Incarnation{w.Count, w.Salt} }

func (i Incarnation) wire() wireLife { return wireLife{Count: i.Count, Salt: i.Salt} }

func (b Ballot) wire() wireBallot {
	return wireBallot{Counter: b.Counter, Life: b.Incarnation.wire(), Node: wireNode(b.Node)}
}

func wireNode(n ident.NodeID) []byte {
	if n.IsZero() {
		return []byte{}
	}
	return n[:]
}

func wireVoters(vs []Voter) []wireVoter {
	ws := make([]wireVoter, len(vs))
	for i, v := range vs {
		ws[i] = wireVoter{Node: wireNode(v.Node), Witness: v.Witness}
	}
	return ws
}

func (c Config) wire() wireConfig {
	return wireConfig{Epoch: c.Epoch, Voters: wireVoters(c.Voters)}
}

func (c *Change) wire() *wireChange {
	if c == nil {
		return nil
	}
	return &wireChange{Ballot: c.Ballot.wire(), Voters: wireVoters(c.Voters)}
}
