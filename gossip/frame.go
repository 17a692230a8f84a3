package gossip

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
	"selvage/internal/patient"
)

const (
	maxFrame       = 256 << 10 // bytes of a frame without its length
	maxPayload     = 250 << 10 // bytes of records or marks that are put into one frame
	recordOverhead = 24        // bytes that a record's array, lengths and number take, at most
	maxRecords     = 8 << 10   // records in a frame
	frameSlice     = 4 << 10   // bytes that a frame moves on by within frameTimeout, at least
	frameTimeout   = 30 * time.Second
)

// framePace is the least speed of a frame: 137 bytes a second. On a thin link, a large one takes minutes.
var framePace = patient.Pace{Slice: frameSlice, Time: frameTimeout}

// errFrame is wrapped by errors that only a broken or hostile peer causes.
var errFrame = errors.New("malformed frame")

type frameKind uint8

const (
	kindRoot     frameKind = 1 + iota // initiator: its root
	kindSame                          // responder: the same root; the session ends
	kindFrontier                      // responder: its marks
	kindWants                         // initiator: what it lacks
	kindRecords                       // either
	kindDone                          // either: all that it sends
	kindDiffers                       // responder: another root; the session, a peek, ends
	kindBuckets                       // responder: digests of its marks
	kindAsk                           // initiator: which marks it wants to see
	kindChoose                        // on a push stream: whether the sender has chosen the link, and is full
)

// frame is every message of both stream protocols; package doc says which fields a kind has.
type frame struct {
	Kind    frameKind    `cbor:"1,keyasint"`
	Root    []byte       `cbor:"2,keyasint,omitempty"`
	Local   bool         `cbor:"3,keyasint,omitempty"`
	Marks   []byte       `cbor:"4,keyasint,omitempty"`
	Wants   []byte       `cbor:"5,keyasint,omitempty"`
	Records []wireRecord `cbor:"6,keyasint,omitempty"`
	Last    bool         `cbor:"7,keyasint,omitempty"`
	Stored  uint32       `cbor:"8,keyasint,omitempty"`
	More    bool         `cbor:"9,keyasint,omitempty"`
	Peek    bool         `cbor:"10,keyasint,omitempty"`
	Buckets []byte       `cbor:"11,keyasint,omitempty"`
	Chosen  bool         `cbor:"12,keyasint,omitempty"`
	Full    bool         `cbor:"13,keyasint,omitempty"`
}

type wireRecord struct {
	_    struct{} `cbor:",toarray"`
	Feed []byte   // a feed's name need not be text
	Seq  uint64
	Data []byte
}

// codec encodes frames deterministically (RFC 8949, section 4.2) and decodes them strictly, but
// lets pass fields that later versions may add.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() (codec, error) {
	enc, dec, err := canon.Modes(canon.Bounds{Array: maxRecords, Depth: 4})
	return codec{enc, dec}, err
}

func (c codec) encode(f frame) ([]byte, error) {
	b, err := c.enc.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	if len(b) > maxFrame {
		return nil, fmt.Errorf("encode frame: %d bytes are more than %d", len(b), maxFrame)
	}
	return b, nil
}

// decode reads a frame from a peer. Errors wrap errFrame.
func (c codec) decode(b []byte) (frame, error) {
	var f frame
	if err := c.dec.Unmarshal(b, &f); err != nil {
		return frame{}, fmt.Errorf("%w: %w", errFrame, err)
	}
	switch {
	case f.Kind < kindRoot || f.Kind > kindChoose:
		return frame{}, fmt.Errorf("%w: unknown kind %d", errFrame, f.Kind)
	case f.Kind == kindRoot && len(f.Root) != 32:
		return frame{}, fmt.Errorf("%w: a root of %d bytes", errFrame, len(f.Root))
	}
	for _, r := range f.Records {
		if len(r.Feed) == 0 || len(r.Feed) > MaxFeed || len(r.Data) > MaxData {
			return frame{}, fmt.Errorf("%w: a record out of bounds", errFrame)
		}
	}
	return f, nil
}

func (f frame) records() []Record {
	rs := make([]Record, len(f.Records))
	for i, r := range f.Records {
		rs[i] = Record{Feed: string(r.Feed), Seq: r.Seq, Data: r.Data}
	}
	return rs
}

func recordsFrame(rs []Record) frame {
	f := frame{Kind: kindRecords, Records: make([]wireRecord, len(rs))}
	for i, r := range rs {
		f.Records[i] = wireRecord{Feed: []byte(r.Feed), Seq: r.Seq, Data: r.Data}
	}
	return f
}

// link sends and receives frames on a connection. One goroutine may send while another receives.
type link struct {
	codec codec
	conn  net.Conn
	in    *bufio.Reader
	sent  func(f frame, bytes int) // told of each frame that was sent; nil is fine
}

func newLink(c codec, conn net.Conn) *link {
	return &link{codec: c, conn: conn, in: bufio.NewReader(conn)}
}

// send writes a frame, as fast as framePace at least.
func (l *link) send(f frame) error {
	b, err := l.codec.encode(f)
	if err != nil {
		return err
	}
	out := make([]byte, 4, 4+len(b))
	binary.BigEndian.PutUint32(out, uint32(len(b)))
	if err := patient.Write(l.conn, append(out, b...), framePace); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	if l.sent != nil {
		l.sent(f, len(out)+len(b))
	}
	return nil
}

// receive waits up to d for a frame to begin, or for ever if d is 0; the rest of it has to come as fast as framePace.
func (l *link) receive(d time.Duration) (frame, error) {
	var begin time.Time
	if d > 0 {
		begin = time.Now().Add(d)
	}
	if err := l.conn.SetReadDeadline(begin); err != nil {
		return frame{}, fmt.Errorf("receive frame: %w", err)
	}
	if _, err := l.in.Peek(1); err != nil {
		return frame{}, fmt.Errorf("receive frame: %w", err)
	}
	b, err := readFrame(patient.NewReader(l.conn, l.in, framePace.Always))
	if err != nil {
		return frame{}, err
	}
	return l.codec.decode(b)
}

// readFrame reads a length and as many bytes.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("receive frame: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("%w: a length of %d", errFrame, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("receive frame: %w", err)
	}
	return b, nil
}
