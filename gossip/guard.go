package gossip

import (
	"bytes"
	"encoding/binary"

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
	if fieldsFit(b[1:], func(name string, value []byte) bool { return name != "Prune" || value[0] == packFalse }) {
		g.Delegate.NotifyMsg(b)
	}
}

// MergeRemoteState passes on what a mate knows of members, if it knows of no events.
func (g serfGuard) MergeRemoteState(b []byte, join bool) {
	if len(b) == 0 || b[0] != serfState {
		return
	}
	if fieldsFit(b[1:], func(name string, value []byte) bool { return name != "Events" || packEmpty(value) }) {
		g.Delegate.MergeRemoteState(b, join)
	}
}

// MessagePack as serf writes it: without types for text, times or extensions (msgpack.org, its first version).
const (
	packNil, packFalse = 0xc0, 0xc2
	packDepth          = 4 // nested levels; serf's states have three
)

// fieldsFit reports whether b begins with a map from names to values, and fit holds for each.
func fieldsFit(b []byte, fit func(name string, value []byte) bool) bool {
	if len(b) == 0 || b[0]&0xf0 != 0x80 { // serf's structs have few fields
		return false
	}
	n := int(b[0] & 0x0f)
	b = b[1:]
	for range n {
		if len(b) == 0 || b[0]&0xe0 != 0xa0 || len(b) < 1+int(b[0]&0x1f) {
			return false
		}
		name := string(b[1 : 1+int(b[0]&0x1f)])
		b = b[1+len(name):]
		size, ok := packSize(b, packDepth)
		if !ok || !fit(name, b[:size]) {
			return false
		}
		b = b[size:]
	}
	return true
}

// packEmpty reports whether a value is nothing, or an array of nothing.
func packEmpty(b []byte) bool {
	head, items, ok := packHead(b)
	switch {
	case !ok:
		return false
	case b[0] == packNil:
		return true
	}
	array := b[0]&0xf0 == 0x90 || b[0] == 0xdc || b[0] == 0xdd
	return array && len(b) == head+items && bytes.Count(b[head:], []byte{packNil}) == items
}

// packSize returns how many bytes a value takes up.
func packSize(b []byte, depth int) (size int, ok bool) {
	size, items, ok := packHead(b)
	if !ok || depth == 0 {
		return 0, false
	}
	for range items {
		if size > len(b) {
			return 0, false
		}
		n, ok := packSize(b[size:], depth-1)
		if !ok {
			return 0, false
		}
		size += n
	}
	return size, size <= len(b)
}

// packHead returns how many bytes of a value come before its items, and how many items it has.
func packHead(b []byte) (size, items int, ok bool) {
	if len(b) == 0 {
		return 0, 0, false
	}
	number := func(n int) int { // -1 if it is more than there can be
		var wide [8]byte
		if len(b) < 1+n {
			return -1
		}
		copy(wide[8-n:], b[1:1+n])
		if count := binary.BigEndian.Uint64(wide[:]); count <= uint64(len(b)) {
			return int(count)
		}
		return -1
	}
	switch c := b[0]; {
	case c < 0x80, c >= 0xe0, c == packNil, c == packFalse, c == 0xc3: // small numbers, nothing, false, true
		return 1, 0, true
	case c < 0x90:
		return 1, 2 * int(c&0x0f), true
	case c < 0xa0:
		return 1, int(c & 0x0f), true
	case c < 0xc0:
		return 1 + int(c&0x1f), 0, true
	case c >= 0xca && c <= 0xd3: // numbers of 1 to 8 bytes
		return 1 + [...]int{4, 8, 1, 2, 4, 8, 1, 2, 4, 8}[c-0xca], 0, true
	case c == 0xda || c == 0xdb: // bytes
		n := number(2 << (c - 0xda))
		return 1 + 2<<(c-0xda) + n, 0, n >= 0
	case c == 0xdc || c == 0xdd: // an array
		n := number(2 << (c - 0xdc))
		return 1 + 2<<(c-0xdc), n, n >= 0
	case c == 0xde || c == 0xdf: // a map
		n := number(2 << (c - 0xde))
		return 1 + 2<<(c-0xde), 2 * n, n >= 0
	}
	return 0, 0, false
}
