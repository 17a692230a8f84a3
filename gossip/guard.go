package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	msgpack "github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// Messages of serf that nodes of a fleet send each other, by their first byte. Nobody sends events or queries, which serf keeps
// without a bound and passes on, nor has others pass a message on.
const (
	serfLeave = 0
	serfJoin  = 1
	serfState = 2
)

// serfGuard stands between memberlist and serf: a mate that lies must not fill the memory of all, nor have them strike a member
// that lives off their lists.
type serfGuard struct{ memberlist.Delegate }

// guardSerf has a guard stand there. It is called when memberlist has its delegate, and no goroutine yet.
func guardSerf(c *memberlist.Config) {
	if _, done := c.Delegate.(serfGuard); !done && c.Delegate != nil {
		c.Delegate = serfGuard{c.Delegate}
	}
}

// NotifyMsg passes on that a member comes or goes.
func (g serfGuard) NotifyMsg(b []byte) {
	if len(b) == 0 || b[0] != serfLeave && b[0] != serfJoin {
		return
	}
	// As serf has them, field by field: it takes an array as well as a map.
	var m struct {
		LTime uint64
		Node  string
		Prune bool
	}
	if unpack(b[1:], &m) == nil && !m.Prune {
		g.Delegate.NotifyMsg(b)
	}
}

// MergeRemoteState passes on what a mate knows of members, if it knows of no events.
func (g serfGuard) MergeRemoteState(b []byte, join bool) {
	if len(b) == 0 || b[0] != serfState {
		return
	}
	var m struct {
		LTime        uint64
		StatusLTimes map[string]uint64
		LeftMembers  []string
		EventLTime   uint64
		Events       []*struct{} // serf sends its whole buffer, of nothing
		QueryLTime   uint64
	}
	known := func(e *struct{}) bool { return e != nil }
	if unpack(b[1:], &m) == nil && !slices.ContainsFunc(m.Events, known) {
		g.Delegate.MergeRemoteState(b, join)
	}
}

// Messages of memberlist, by their first byte, that matter to the guards.
const (
	listPing       = 0
	listAck        = 2
	listState      = 6
	listCompound   = 7
	listCompressed = 9
	listSummed     = 12 // 4 bytes of CRC-32, and a message
	listError      = 13
)

// Bounds of a stream of memberlist, bytes. Its own are good for clusters on large machines: a few bytes have it take 40 MiB to unpack what
// is compressed, or 100 for the members that a state says it has.
const (
	maxStream    = 8 << 20
	maxHead      = 256     // of the head of a state
	maxSerfState = 1 << 20 // in a state
)

var errStream = errors.New("a stream that no node of a fleet sends")

// guardStream reads what a stream begins with, and returns it with the rest. Nobody compresses, nor sends serf's messages by stream.
func guardStream(r io.Reader) (io.Reader, error) {
	var begun bytes.Buffer
	head := io.TeeReader(io.LimitReader(r, maxHead), &begun)
	var kind [1]byte
	if _, err := io.ReadFull(head, kind[:]); err != nil {
		return nil, err
	}
	switch kind[0] {
	case listPing, listAck, listError:
	case listState:
		// As memberlist has it, field by field.
		var h struct {
			Nodes        int
			UserStateLen int
			Join         bool
		}
		if err := msgpack.NewDecoder(head, &msgpack.MsgpackHandle{}).Decode(&h); err != nil {
			return nil, fmt.Errorf("%w: %w", errStream, err)
		}
		if h.Nodes < 0 || h.Nodes > maxKnown || h.UserStateLen < 0 || h.UserStateLen > maxSerfState {
			return nil, fmt.Errorf("%w: a state of %d members and %d bytes of serf", errStream, h.Nodes, h.UserStateLen)
		}
	default:
		return nil, fmt.Errorf("%w: kind %d", errStream, kind[0])
	}
	return io.LimitReader(io.MultiReader(&begun, r), maxStream), nil
}

// compressed reports whether a packet of memberlist holds anything that is compressed. Nobody sends that, and unpacked it may hold
// much more of the same.
func compressed(b []byte) bool {
	if len(b) > 5 && b[0] == listSummed {
		b = b[5:]
	}
	if len(b) < 2 || b[0] != listCompound {
		return len(b) > 0 && b[0] == listCompressed
	}
	parts := int(b[1])
	if len(b) < 2+2*parts {
		return false // memberlist takes nothing of it
	}
	lengths, rest := b[2:2+2*parts], b[2+2*parts:]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(rest) {
			return false // nor what follows
		}
		if compressed(rest[:n]) {
			return true
		}
		rest = rest[n:]
	}
	return false
}

// unpack reads a message as serf does.
func unpack(b []byte, into any) error {
	return msgpack.NewDecoder(bytes.NewReader(b), &msgpack.MsgpackHandle{}).Decode(into)
}
