package mesh

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// Bounds of the frames, bytes, and of what is in them.
const (
	maxHello     = 32 << 10
	maxCharters  = 256 << 10
	maxVerdict   = 1 << 10
	maxPeers     = 128 << 10
	maxProtocol  = 64
	maxAddrs     = 8
	maxAddr      = 256
	maxEnvelopes = 16
	maxListed    = 256 // nodes in a list of peers
)

var errFrame = errors.New("bad frame")

// codec writes deterministic CBOR and reads it within bounds.
type codec struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

func newCodec() (codec, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return codec{}, err
	}
	dec, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxArrayElements: maxListed, MaxMapPairs: 16, MaxNestedLevels: 6,
	}.DecMode()
	return codec{enc, dec}, err
}

func (c codec) write(w io.Writer, v any) error {
	body, err := c.enc.Marshal(v)
	if err != nil {
		return err
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
	if n > uint32(most) {
		return fmt.Errorf("%w: %d bytes, at most %d", errFrame, n, most)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return c.decode(body, v)
}

func (c codec) decode(body []byte, v any) error {
	if err := c.dec.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}

type verdict struct {
	OK   bool   `cbor:"1,keyasint"`
	Code string `cbor:"2,keyasint,omitempty"`
	Text string `cbor:"3,keyasint,omitempty"`
}

// listed is a node in a list of peers.
type listed struct {
	Node  []byte   `cbor:"1,keyasint"`
	Site  string   `cbor:"2,keyasint"`
	Addrs []string `cbor:"3,keyasint"`
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
	_, err := w.Write(append([]byte{byte(len(p))}, p...))
	return err
}

func readProtocol(r io.Reader) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	if n[0] > maxProtocol {
		return "", fmt.Errorf("%w: a protocol of %d bytes", errFrame, n[0])
	}
	p := make([]byte, n[0])
	_, err := io.ReadFull(r, p)
	return string(p), err
}
