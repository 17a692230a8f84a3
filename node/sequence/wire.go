package sequence

import (
	"errors"
	"fmt"
	"io"

	"selvage/internal/canon"
	"selvage/internal/frame"
	"selvage/internal/ident"
)

// Protocol is that by which a node asks the leader of its site:
//
//	/selvage/turn/1   opener: length, 2 bytes, big endian; a claim
//	                  leader: likewise an answer, or nothing if it does not lead; either closes
//
// Claims and answers are deterministic CBOR:
//
//	claim   {1 deployment, 2 statement, 3 max, 4 changing, 5 done}
//	answer  {1 epoch of the lease that it is given under, 2 go, 3 [node that changes...]}
const Protocol = "/selvage/turn/1"

// Bounds of what is read.
const (
	maxMessage = 4 << 10 // bytes
	maxText    = 256     // bytes of a name
	maxAhead   = 64      // nodes; more are not told of
)

var errMalformed = errors.New("malformed")

type wireClaim struct {
	Deployment string `cbor:"1,keyasint"`
	Statement  string `cbor:"2,keyasint"`
	Max        int    `cbor:"3,keyasint"`
	Changing   bool   `cbor:"4,keyasint,omitempty"`
	Done       bool   `cbor:"5,keyasint,omitempty"`
}

type wireAnswer struct {
	Epoch uint64   `cbor:"1,keyasint"`
	Go    bool     `cbor:"2,keyasint,omitempty"`
	Ahead [][]byte `cbor:"3,keyasint,omitempty"`
}

// Codec writes and reads what travels. It is safe for concurrent use.
type Codec struct{ frames frame.Codec }

// NewCodec sets a Codec up.
func NewCodec() (Codec, error) {
	frames, err := frame.NewCodec(canon.Bounds{Array: maxAhead, Depth: 4}, maxMessage)
	return Codec{frames}, err
}

// WriteClaim writes a claim.
func (c Codec) WriteClaim(w io.Writer, claim Claim) error { return c.frames.Write(w, wireClaim(claim)) }

// ReadClaim reads one; a claim that no node makes is an error.
func (c Codec) ReadClaim(r io.Reader) (Claim, error) {
	var w wireClaim
	if err := c.frames.Read(r, &w); err != nil {
		return Claim{}, fmt.Errorf("read claim: %w", err)
	}
	if w.Deployment == "" || len(w.Deployment) > maxText || len(w.Statement) > maxText || w.Max < 1 {
		return Claim{}, fmt.Errorf("read claim: %w: of %.40q, with %d at once", errMalformed, w.Deployment, w.Max)
	}
	return Claim(w), nil
}

// WriteAnswer writes an answer that is given under a lease.
func (c Codec) WriteAnswer(w io.Writer, epoch uint64, a Answer) error {
	out := wireAnswer{Epoch: epoch, Go: a.Go}
	for _, id := range a.Ahead[:min(len(a.Ahead), maxAhead)] {
		out.Ahead = append(out.Ahead, id[:])
	}
	return c.frames.Write(w, out)
}

// ReadAnswer reads one, and under which lease it was given.
func (c Codec) ReadAnswer(r io.Reader) (epoch uint64, a Answer, err error) {
	var w wireAnswer
	if err := c.frames.Read(r, &w); err != nil {
		return 0, Answer{}, fmt.Errorf("read answer: %w", err)
	}
	a.Go = w.Go
	for _, raw := range w.Ahead {
		if len(raw) != len(ident.NodeID{}) {
			return 0, Answer{}, fmt.Errorf("read answer: %w: a node of %d bytes", errMalformed, len(raw))
		}
		a.Ahead = append(a.Ahead, ident.NodeID(raw))
	}
	return w.Epoch, a, nil
}
