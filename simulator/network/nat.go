package network

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// NAT is how a site's router translates addresses, in the words of RFC 4787. All kinds filter by
// address and port: only who was written to can write back.
type NAT uint8

// Kinds of NAT.
const (
	NoNAT               NAT = iota
	EndpointIndependent     // one outer port for a socket, whoever it writes to; the socket's own port if it is free
	Symmetric               // an outer port, at random, for each pair of a socket and who it writes to
)

func (k NAT) String() string {
	switch k {
	case NoNAT:
		return "none"
	case EndpointIndependent:
		return "endpoint-independent"
	case Symmetric:
		return "symmetric"
	}
	return "unknown"
}

// DefaultNATIdle is how long a NAT keeps what is not used, by RFC 4787, REQ-5.
const DefaultNATIdle = 2 * time.Minute

const (
	maxMappings = 16384 // of a NAT; a packet that needs one more is dropped
	maxRemotes  = 4096  // that a mapping lets in; a packet to one more is dropped
	lowestOuter = 1024
)

// nat is a NAT at work: a plain state machine, as pipe is. Mappings and the remotes they let in are
// forgotten when no packet has used them for the time of idle, in either direction.
type nat struct {
	kind   NAT
	idle   time.Duration
	public netip.Addr
	rnd    *rand.Rand
	byKey  map[natKey]*mapping
	byPort map[uint16]*mapping
}

// natKey names a mapping; to is empty if the mapping does not depend on it.
type natKey struct{ inner, to netip.AddrPort }

type mapping struct {
	key     natKey
	inner   netip.AddrPort
	outer   netip.AddrPort
	seen    *net.UDPAddr // outer
	used    time.Duration
	remotes map[netip.AddrPort]time.Duration // when they were written to, or wrote, last
}

func newNAT(kind NAT, idle time.Duration, public netip.Addr, rnd *rand.Rand) *nat {
	if idle == 0 {
		idle = DefaultNATIdle
	}
	return &nat{kind: kind, idle: idle, public: public, rnd: rnd, byKey: map[natKey]*mapping{}, byPort: map[uint16]*mapping{}}
}

// out returns the mapping under which a packet leaves, or nil if there is no room for it.
func (t *nat) out(now time.Duration, inner, to netip.AddrPort) *mapping {
	key := natKey{inner: inner}
	if t.kind == Symmetric {
		key.to = to
	}
	m := t.byKey[key]
	if m != nil && now-m.used >= t.idle {
		t.forget(m)
		m = nil
	}
	if m == nil {
		if m = t.add(now, key); m == nil {
			return nil
		}
	}
	if !t.admit(now, m, to) {
		return nil
	}
	m.used = now
	return m
}

// in returns the mapping of an outer port, or nil if the remote is not let in there.
func (t *nat) in(now time.Duration, port uint16, from netip.AddrPort) *mapping {
	m := t.byPort[port]
	if m == nil || now-m.used >= t.idle {
		return nil
	}
	if at, ok := m.remotes[from]; !ok || now-at >= t.idle {
		return nil
	}
	m.used, m.remotes[from] = now, now
	return m
}

// admit lets a remote in from now on.
func (t *nat) admit(now time.Duration, m *mapping, to netip.AddrPort) bool {
	if _, ok := m.remotes[to]; !ok && len(m.remotes) == maxRemotes {
		for r, at := range m.remotes {
			if now-at >= t.idle {
				delete(m.remotes, r)
			}
		}
		if len(m.remotes) == maxRemotes {
			return false
		}
	}
	m.remotes[to] = now
	return true
}

func (t *nat) add(now time.Duration, key natKey) *mapping {
	if len(t.byKey) == maxMappings {
		for _, m := range t.byKey {
			if now-m.used >= t.idle {
				t.forget(m)
			}
		}
		if len(t.byKey) == maxMappings {
			return nil
		}
	}
	port := key.inner.Port()
	if t.kind == Symmetric || !t.free(now, port) {
		port = t.draw(now)
	}
	outer := netip.AddrPortFrom(t.public, port)
	m := &mapping{key: key, inner: key.inner, outer: outer, seen: net.UDPAddrFromAddrPort(outer), remotes: map[netip.AddrPort]time.Duration{}}
	t.byKey[key], t.byPort[port] = m, m
	return m
}

// draw returns a free port: there is one, as there are more ports than mappings.
func (t *nat) draw(now time.Duration) uint16 {
	port := lowestOuter + t.rnd.IntN(65536-lowestOuter)
	for !t.free(now, uint16(port)) {
		if port++; port == 65536 {
			port = lowestOuter
		}
	}
	return uint16(port)
}

// free reports whether an outer port can be given out; a mapping there that is idle is forgotten.
func (t *nat) free(now time.Duration, port uint16) bool {
	m := t.byPort[port]
	if m != nil && now-m.used >= t.idle {
		t.forget(m)
		m = nil
	}
	return m == nil && port >= lowestOuter
}

func (t *nat) forget(m *mapping) {
	delete(t.byKey, m.key)
	delete(t.byPort, m.outer.Port())
}
