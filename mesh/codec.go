package mesh

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
	"selvage/internal/ident"
)

// Bounds of the frames, bytes, and of what is in them. A frame beyond its bound is neither sent
// nor read.
const (
	maxHello     = 32 << 10
	maxCharters  = 256 << 10
	maxVerdict   = maxProof + 1<<10
	maxPeers     = 128 << 10
	maxProtocol  = 64
	maxAddrs     = 8
	maxAddr      = 256
	maxEnvelopes = 16
	maxListed    = 256 // nodes in a list of peers
	maxSite      = 64  // bytes of a site's name in a list of peers
)

var errFrame = errors.New("bad frame")

// codec writes deterministic CBOR and reads it within bounds.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() (codec, error) {
	enc, dec, err := canon.Modes(canon.Bounds{Array: maxListed, Depth: 6})
	return codec{enc, dec}, err
}

func (c codec) write(w io.Writer, most int, v any) error {
	body, err := c.enc.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > most {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, len(body), most)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func (c codec) read(r io.Reader, most int, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(most) {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, n, most)
	}
	// The buffer grows with what comes, so that a peer has to send what it takes up.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := c.dec.Unmarshal(body.Bytes(), v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}

// verdict ends the hello: whether this end lets the other in.
type verdict struct {
	OK    bool   `cbor:"1,keyasint"`
	Code  string `cbor:"2,keyasint,omitempty"`
	Text  string `cbor:"3,keyasint,omitempty"`
	Proof []byte `cbor:"4,keyasint,omitempty"`
}

// listed is a node in a list of peers.
type listed struct {
	Node  []byte   `cbor:"1,keyasint"`
	Site  string   `cbor:"2,keyasint"`
	Addrs []string `cbor:"3,keyasint"`
}

func (c codec) readHello(r io.Reader) (Hello, error) {
	var h Hello
	if err := c.read(r, maxHello, &h); err != nil {
		return Hello{}, err
	}
	return h, checkAddrs(h.Addrs)
}

func (c codec) readCharters(r io.Reader) ([][]byte, error) {
	var all [][]byte
	if err := c.read(r, maxCharters, &all); err != nil {
		return nil, err
	}
	if len(all) > maxEnvelopes {
		return nil, fmt.Errorf("%w: %d charters", errFrame, len(all))
	}
	return all, nil
}

// readVerdict returns nil if the other end lets this one in.
func (c codec) readVerdict(r io.Reader) (*Refusal, error) {
	var v verdict
	if err := c.read(r, maxVerdict, &v); err != nil || v.OK {
		return nil, err
	}
	return foreignRefusal(v), nil
}

func (c codec) readList(r io.Reader) ([]listed, error) {
	var all []listed
	if err := c.read(r, maxPeers, &all); err != nil {
		return nil, err
	}
	for _, l := range all {
		if len(l.Node) != len(ident.NodeID{}) || len(l.Site) > maxSite {
			return nil, fmt.Errorf("%w: not a node in a list", errFrame)
		}
		if err := checkAddrs(l.Addrs); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// checkAddrs bounds what a peer says of addresses.
func checkAddrs(addrs []string) error {
	if len(addrs) > maxAddrs {
		return fmt.Errorf("%w: %d addresses", errFrame, len(addrs))
	}
	for _, a := range addrs {
		if len(a) > maxAddr {
			return fmt.Errorf("%w: an address of %d bytes", errFrame, len(a))
		}
	}
	return nil
}

func writeProtocol(w io.Writer, p string) error {
	if len(p) == 0 || len(p) > maxProtocol {
		return fmt.Errorf("%w: a protocol of %d bytes", errFrame, len(p))
	}
	_, err := w.Write(append([]byte{byte(len(p))}, p...))
	return err
}

func readProtocol(r io.Reader) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	if n[0] == 0 || n[0] > maxProtocol {
		return "", fmt.Errorf("%w: a protocol of %d bytes", errFrame, n[0])
	}
	p := make([]byte, n[0])
	_, err := io.ReadFull(r, p)
	return string(p), err
}
