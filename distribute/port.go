package distribute

import (
	"context"
	"net"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

// Network opens and serves streams between admitted nodes.
type Network interface {
	Open(ctx context.Context, to ident.NodeID, protocol string) (net.Conn, error)
	Handle(protocol string, serve func(from ident.NodeID, conn net.Conn))
}

// The protocols. Fetch is the one whose bytes are bulk.
const (
	haveProtocol   = "/selvage/have/1"
	dagProtocol    = "/selvage/dag/1"
	FetchProtocol  = "/selvage/fetch/2"
	holderProtocol = "/selvage/holder/1"
)

// Progress is how far a fetch has come, and what it took since the swarm began, or since Anew.
type Progress struct {
	FromSite, FromUplink int64   // bytes of chunks that peers delivered, or began to
	FromMirror           int64   // bytes of the blob that mirrors delivered
	Peers                int     // that have any of it
	Rate                 float64 // bytes a second, over the whole of this fetch
	Fetching             bool    // it goes on; if so,
	Class                Class   // at which this node's site wants the blob,
	Waits                bool    // and whether it gives way to fetches of higher classes, here or at who was asked
}

// after adds what earlier fetches of the blob took.
func (p Progress) after(earlier Progress) Progress {
	p.FromSite += earlier.FromSite
	p.FromUplink += earlier.FromUplink
	p.FromMirror += earlier.FromMirror
	return p
}

// Holder is a node that has some of a blob.
type Holder struct {
	ID       ident.NodeID
	Have     int64 // bytes
	Complete bool
}

// Digest names a blob.
type Digest = store.Digest
