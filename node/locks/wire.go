package locks

import (
	"errors"
	"fmt"
	"io"
	"time"

	"selvage/internal/canon"
	"selvage/internal/frame"
	"selvage/internal/ident"
	"selvage/ledger/manifest"
)

// Protocol is that by which a node asks the leader of its site, for a client of its own:
//
//	/selvage/lock/1   opener: length, 2 bytes, big endian; an ask
//	                  leader: likewise an answer, or a list, or nothing if it does not lead; either closes
//
// All are deterministic CBOR:
//
//	ask      {1 what, 2 name, 3 claim}
//	answer   {1 state, 2 token, 3 for, 4 ahead, 5 node that holds it}
//	list     {1 [lock...]}
//	lock     {1 name, 2 node that holds it, 3 token, 4 since, 5 left, 6 how many wait}
//
// what is 1 take, 2 keep, 3 release, and 4 for a list of the locks whose names come after the name, which may be none, with a claim of
// zeros; for, since and left are nanoseconds.
const Protocol = "/selvage/lock/1"

// Bounds of what is read.
const (
	maxMessage = 32 << 10 // bytes
	MaxList    = 64       // locks of a list; who wants more asks again
	maxTime    = 24 * time.Hour
)

// list is beside the Wants on the wire.
const list = 4

var errMalformed = errors.New("malformed")

type wireAsk struct {
	What  uint8  `cbor:"1,keyasint"`
	Name  string `cbor:"2,keyasint"`
	Claim []byte `cbor:"3,keyasint"`
}

type wireAnswer struct {
	State  uint8         `cbor:"1,keyasint"`
	Token  uint64        `cbor:"2,keyasint,omitempty"`
	For    time.Duration `cbor:"3,keyasint,omitempty"`
	Ahead  uint16        `cbor:"4,keyasint,omitempty"`
	Holder []byte        `cbor:"5,keyasint,omitempty"`
}

type wireLock struct {
	Name    string        `cbor:"1,keyasint"`
	Holder  []byte        `cbor:"2,keyasint,omitempty"`
	Token   uint64        `cbor:"3,keyasint,omitempty"`
	Since   time.Duration `cbor:"4,keyasint,omitempty"`
	Left    time.Duration `cbor:"5,keyasint,omitempty"`
	Waiting uint16        `cbor:"6,keyasint,omitempty"`
}

type wireList struct {
	Locks []wireLock `cbor:"1,keyasint"`
}

// Codec writes and reads what travels. It is safe for concurrent use.
type Codec struct{ frames frame.Codec }

// NewCodec sets a Codec up.
func NewCodec() (Codec, error) {
	frames, err := frame.NewCodec(canon.Bounds{Array: MaxList, Depth: 4}, maxMessage)
	return Codec{frames}, err
}

// WriteAsk writes a question.
func (c Codec) WriteAsk(w io.Writer, a Ask) error {
	return c.frames.Write(w, wireAsk{uint8(a.Want), a.Name, a.Claim[:]})
}

// WriteListAsk writes the question for the locks whose names come after one.
func (c Codec) WriteListAsk(w io.Writer, after string) error {
	var none Claim
	return c.frames.Write(w, wireAsk{list, after, none[:]})
}

// ReadAsk reads a question; lists reports whether it is for a list, after a.Name.
func (c Codec) ReadAsk(r io.Reader) (a Ask, lists bool, err error) {
	var w wireAsk
	if err := c.frames.Read(r, &w); err != nil {
		return Ask{}, false, fmt.Errorf("read ask: %w", err)
	}
	lists = w.What == list
	if w.What < uint8(Take) || w.What > list || len(w.Claim) != len(Claim{}) {
		return Ask{}, false, fmt.Errorf("read ask: %w: to do %d with a claim of %d bytes", errMalformed, w.What, len(w.Claim))
	}
	if err := manifest.CheckPath(w.Name); err != nil && !(lists && w.Name == "") {
		return Ask{}, false, fmt.Errorf("read ask: %w: %w", errMalformed, err)
	}
	if lists {
		return Ask{Name: w.Name}, true, nil
	}
	return Ask{Want(w.What), w.Name, Claim(w.Claim)}, false, nil
}

// WriteAnswer writes an answer.
func (c Codec) WriteAnswer(w io.Writer, a Answer) error {
	return c.frames.Write(w, wireAnswer{uint8(a.State), a.Token, a.For, uint16(a.Ahead), nodeBytes(a.Holder)})
}

// ReadAnswer reads one; an answer that no leader gives is an error.
func (c Codec) ReadAnswer(r io.Reader) (Answer, error) {
	var w wireAnswer
	if err := c.frames.Read(r, &w); err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	a := Answer{State: State(w.State), Token: w.Token, For: w.For, Ahead: int(w.Ahead)}
	if a.State < Held || a.State > Full || (a.State == Held) != (a.Token != 0) || a.For < 0 || a.For > maxTime {
		return Answer{}, fmt.Errorf("read answer: %w: %d with %d for %d ns", errMalformed, w.State, w.Token, w.For)
	}
	var err error
	if a.Holder, err = nodeOf(w.Holder); err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	return a, nil
}

// WriteList writes a list, its first MaxList locks.
func (c Codec) WriteList(w io.Writer, all []Lock) error {
	out := wireList{Locks: []wireLock{}}
	for _, l := range all[:min(len(all), MaxList)] {
		out.Locks = append(out.Locks, wireLock{l.Name, nodeBytes(l.Holder), l.Token, l.Since, l.Left, uint16(l.Waiting)})
	}
	return c.frames.Write(w, out)
}

// ReadList reads a list.
func (c Codec) ReadList(r io.Reader) (all []Lock, err error) {
	var w wireList
	if err := c.frames.Read(r, &w); err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	for _, l := range w.Locks {
		if err := manifest.CheckPath(l.Name); err != nil {
			return nil, fmt.Errorf("read list: %w: %w", errMalformed, err)
		}
		holder, err := nodeOf(l.Holder)
		if err != nil || l.Since < 0 || l.Left < 0 {
			return nil, fmt.Errorf("read list: %w: lock %s", errMalformed, l.Name)
		}
		all = append(all, Lock{l.Name, holder, l.Token, l.Since, l.Left, int(l.Waiting)})
	}
	return all, nil
}

func nodeBytes(id ident.NodeID) []byte {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

func nodeOf(raw []byte) (ident.NodeID, error) {
	if len(raw) == 0 {
		return ident.NodeID{}, nil
	}
	if len(raw) != len(ident.NodeID{}) {
		return ident.NodeID{}, fmt.Errorf("%w: a node of %d bytes", errMalformed, len(raw))
	}
	return ident.NodeID(raw), nil
}
