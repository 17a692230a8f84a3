package mesh

import (
	"fmt"
	"net"

	"selvage/internal/ident"
)

// Hello is what a node shows of itself on a new connection.
type Hello struct {
	Fleet      []byte   `cbor:"1,keyasint"`
	Credential []byte   `cbor:"2,keyasint"`
	Charter    uint64   `cbor:"3,keyasint"` // version of the newest charter it knows; 0 if it knows none
	Protocols  []string `cbor:"4,keyasint"`
	Digest     []byte   `cbor:"5,keyasint"` // of its ledger
	Addrs      []string `cbor:"6,keyasint"` // set by the host
	// Incarnation is set by the host.
	Incarnation uint64 `cbor:"7,keyasint"`
}

// Gate decides who is let in. Methods are called from several goroutines at once.
type Gate interface {
	Hello() Hello
	// Charters returns the charters after a version, oldest first.
	Charters(after uint64) [][]byte
	// Learn takes charters that a peer showed, before the peer is judged by them.
	Learn(charters [][]byte) error
	// Judge returns who the peer is, or why it is refused: a *Refusal, or any error.
	Judge(remote ident.NodeID, h Hello) (Peer, error)
}

// Peer is an admitted node.
type Peer struct {
	ID   ident.NodeID
	Name string
	Site string
}

// Codes of a refusal. A code that a peer made up is read as CodeOther.
const (
	CodeFleet      = "fleet"      // of another fleet
	CodeCredential = "credential" // bad, expired, used up or revoked
	CodeHeld       = "held"       // the uplink is held
	CodeDropped    = "dropped"    // misbehaved lately
	CodeOther      = "other"
)

// Refusal says why a peer was not let in, or did not let us in. Text is at most 512 bytes, and
// printable even if a peer wrote it.
type Refusal struct {
	Code, Text string
	ByRemote   bool // the peer refused us
	// Proof is what the refused one may check for itself instead of taking the other's word; nil if there is none. It
	// is the gate's to write and to read, at most 64 KiB; of a peer it may be anything.
	Proof []byte
}

func (r *Refusal) Error() string {
	if r.ByRemote {
		return fmt.Sprintf("refused by the peer: %s", r.Text)
	}
	return r.Text
}

// Book remembers where nodes are, over restarts. Methods are called one at a time.
type Book interface {
	LoadAddresses() []string
	SaveAddresses([]string) error
}

// Discovery finds nodes nearby by other means.
type Discovery interface {
	// Start announces the host at its addresses, and tells of the multiaddrs that it finds, until
	// stop is called, which waits for what was started. If the addresses change, or Start has failed,
	// it is called again; stop is nil if there is an error.
	Start(self ident.NodeID, addrs []string, found func(addr string)) (stop func(), err error)
}

// Sockets opens packet sockets; the simulator has its own.
type Sockets interface {
	ListenUDP(network string, laddr *net.UDPAddr) (net.PacketConn, error)
	// SourceFor returns the address that packets to dst leave from.
	SourceFor(dst *net.UDPAddr) (net.IP, error)
}
