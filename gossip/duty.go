package gossip

import (
	"bytes"
	"crypto/sha256"

	"selvage/internal/ident"
)

// carriers is how many nodes of a site choose links across its edge, and pass on in it what others may
// lack: one, and one more in case the first is down and has not been missed yet.
const carriers = 2

// duty reports whether self is one of those that act for the site in some matter, which feed names: it is if fewer
// than two of the mates come before it in the feed's rendezvous order (Thaler and Ravishankar,
// 1998). Mates that see the same members agree; if views differ a record is passed on more often, or
// left to anti-entropy. mates need not hold self.
func duty(feed string, mates []ident.NodeID, self ident.NodeID) bool {
	mine := weight(feed, self)
	before := 0
	for _, m := range mates {
		if m == self {
			continue
		}
		w := weight(feed, m)
		if bytes.Compare(w[:], mine[:]) > 0 {
			before++
		}
	}
	return before < carriers
}

// weight is SHA-256 of the node's ID and the feed's name. The ID has a fixed length, so the two
// cannot run into one another.
func weight(feed string, id ident.NodeID) [sha256.Size]byte {
	b := make([]byte, 0, len(id)+len(feed))
	b = append(b, id[:]...)
	return sha256.Sum256(append(b, feed...))
}
