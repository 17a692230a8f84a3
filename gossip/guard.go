package gossip

import (
	"bytes"
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

// unpack reads a message as serf does.
func unpack(b []byte, into any) error {
	return msgpack.NewDecoder(bytes.NewReader(b), &msgpack.MsgpackHandle{}).Decode(into)
}
