package gossip

import (
	"context"
	"errors"
	"iter"
	"net"

	"selvage/internal/ident"
)

// Bounds of a record. A record beyond them is neither sent nor accepted.
const (
	MaxFeed = 128       // bytes of a feed's name
	MaxData = 140 << 10 // bytes of a record's data
)

// ErrNotStored is wrapped by the errors of Log.Offer when a record was not taken because of this
// node's own trouble, such as a full disk. The peer is not blamed for it.
var ErrNotStored = errors.New("not stored")

// Network opens and serves streams between nodes that have proven who they are. Closing a
// connection ends both its directions, and what was written before still arrives.
type Network interface {
	// Open opens a stream to a node. It returns soon after ctx ends.
	Open(ctx context.Context, to ident.NodeID, protocol string) (net.Conn, error)
	// Handle has serve called, in a goroutine of its own, for every stream that is opened to this
	// node. serve closes conn.
	Handle(protocol string, serve func(from ident.NodeID, conn net.Conn))
}

// Record is one entry of a feed. Gossip does not look into Data.
type Record struct {
	Feed string // 1 to MaxFeed bytes
	Seq  uint64 // ascending in the feed; there may be holes
	Data []byte // at most MaxData bytes
}

// size is what a record takes up in a frame, at most.
func (r Record) size() int { return len(r.Feed) + len(r.Data) + recordOverhead }

// Mark sums up a feed: the highest number in it, and a digest of what is kept of it. Two nodes
// whose marks of a feed are equal hold the same records of it.
type Mark struct {
	Seq    uint64
	Digest [8]byte
}

// Outcome says what became of a record that was offered.
type Outcome int

const (
	Stored   Outcome = iota // new, and durable now
	Known                   // here already, or superseded by what is here
	Waiting                 // cannot be judged yet; offer it again later
	Rejected                // wrong, whoever sends it; or see ErrNotStored
)

// Log is what is replicated. All methods are called from several goroutines.
type Log interface {
	// Root is a digest of all feeds. local says that the peer is of this node's site and may see
	// the site's own feeds, here and in Frontier.
	Root(local bool) [32]byte
	// Frontier goes through the marks of all feeds that hold a record. Whoever does that does not call the log meanwhile.
	Frontier(local bool) iter.Seq2[string, Mark]
	// Read returns records after a number, ascending, as many as fit into maxBytes but at least
	// one if there is any.
	Read(feed string, after uint64, maxBytes int) ([]Record, error)
	// Offer judges and stores records in order. The outcomes are durable when it returns. Both
	// slices are as long as rs; an error is set where the outcome is Rejected.
	Offer(from ident.NodeID, rs []Record) ([]Outcome, []error)
	// Site reports whether a feed must not leave the site. It looks at the name alone.
	Site(feed string) bool
	// Urgent reports whether a feed's records go before all others. It looks at the name alone.
	Urgent(feed string) bool
}
