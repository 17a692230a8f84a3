package network

import (
	"net/netip"
	"time"
)

// Cause is why a packet was dropped.
type Cause uint8

// Causes. The zero Cause is none.
const (
	Lost        Cause = iota + 1 // by the link's loss
	QueueFull                    // the queue had no room, or CoDel had it waiting for too long
	MTU                          // larger than a link takes
	Severed                      // by a cut
	HostDown                     // its sender or receiver is down
	LinkDown                     // by the link's duty
	OverBudget                   // the link's budget is spent
	Unmapped                     // a NAT does not let it through
	NobodyThere                  // no host has the address, or no socket the port
	BufferFull                   // the receiver was too slow

	causes = int(BufferFull) + 1
)

var causeNames = [causes]string{"", "loss", "queue", "mtu", "cut", "host down", "link down", "budget", "nat", "nobody there", "buffer"}

func (c Cause) String() string {
	if int(c) >= causes {
		return "unknown"
	}
	return causeNames[c]
}

// Drops counts packets by Cause.
type Drops [causes]int64

// All returns the sum of all causes.
func (d Drops) All() (n int64) {
	for _, v := range d {
		n += v
	}
	return n
}

// Counters is what went through, in packets and in bytes on the wire, and what did not.
type Counters struct {
	Packets, Bytes int64
	// Duplicated is how many packets left a link twice; Packets has them once.
	Duplicated int64
	Dropped    Drops
}

// SiteCounters is what went over a site's links. A packet that was sent is counted even if it was
// lost after that; then it is in Dropped too.
type SiteCounters struct {
	Up, Down, LAN Counters
}

// HostCounters is what a host sent and received. Sent has all that its sockets wrote, and drops of it
// anywhere; Received has drops only of what was known to be for this host: see Cause.
type HostCounters struct {
	Sent, Received Counters
}

// Kind is what happened to a packet.
type Kind uint8

// Kinds.
const (
	Sent Kind = iota
	Delivered
	Dropped
)

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

var kindNames = [...]string{"sent", "delivered", "dropped"}

// Event is something that happened to a packet.
type Event struct {
	At     time.Duration // since the network's start
	Packet uint64        // counts the packets sent; a duplicate has the number of its original
	Kind   Kind
	Cause  Cause          // of a drop
	Host   *Host          // that sent it
	From   netip.AddrPort // as it is seen at this place
	To     netip.AddrPort // as the sender wrote it
	Wire   int            // bytes on the wire
}
