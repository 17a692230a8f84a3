package node

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
)

// Bounds of a beacon: one that says more is not believed.
const (
	maxBeacon      = 8 << 10 // bytes
	maxBeaconAlive = 512     // members
	maxBeaconEnds  = 256     // beacons of others
	shortID        = 4       // bytes of a node's ID that tell the members of one site apart
)

// beacon says for other sites which members of its author's site are alive: the body of a register
// entry of kind Beacon, deterministic CBOR with integer keys.
//
//	1 alive  the first 4 bytes of the ID of each member that is, ascending, one after another
//	2 ends   [[first 4 bytes of an author, number], ...]  beacons of the site, up to this number of
//	         this author, that the site has this one in place of
//	3 pace   seconds until the next, at most
//	4 epoch  the fencing token of the lease under which its author leads the site, if it does
type beacon struct {
	Alive []byte      `cbor:"1,keyasint"`
	Ends  []beaconEnd `cbor:"2,keyasint,omitempty"`
	Pace  uint32      `cbor:"3,keyasint"`
	Epoch uint64      `cbor:"4,keyasint,omitempty"`
}

// beaconEnd says that the beacons of an author count no more, up to a number.
type beaconEnd struct {
	_      struct{} `cbor:",toarray"`
	Author []byte
	Seq    uint64
}

// short is what stands for a node in the beacons of its site. A member that makes itself an ID which
// begins like a mate's can only blur which of the two is alive.
func short(id ident.NodeID) []byte { return id[:shortID] }

// shorts lists nodes as a beacon does.
func shorts(ids []ident.NodeID) []byte {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, ident.NodeID.Compare)
	out := make([]byte, 0, len(ids)*shortID)
	for _, id := range ids[:min(len(ids), maxBeaconAlive)] {
		out = append(out, short(id)...)
	}
	return out
}

// lists reports whether the beacon has a node alive.
func (b beacon) lists(id ident.NodeID) bool {
	for s := range slices.Chunk(b.Alive, shortID) {
		if bytes.Equal(s, short(id)) {
			return true
		}
	}
	return false
}

// ends reports whether the beacon stands in the place of another of its site.
func (b beacon) ends(author ident.NodeID, seq uint64) bool {
	return slices.ContainsFunc(b.Ends, func(e beaconEnd) bool { return bytes.Equal(e.Author, short(author)) && seq <= e.Seq })
}

// life is how long the beacon counts after it came: two may get lost.
func (b beacon) life() time.Duration {
	return 3 * min(max(time.Duration(b.Pace)*time.Second, minPace), maxPace)
}

func newBeacons() (body[beacon], error) {
	return newBody("beacon", maxBeacon, maxBeaconEnds, beacon.bounded)
}

func (b beacon) bounded() error {
	if len(b.Alive)%shortID != 0 || len(b.Alive) > maxBeaconAlive*shortID {
		return fmt.Errorf("members of %d bytes", len(b.Alive))
	}
	for _, e := range b.Ends {
		if len(e.Author) != shortID {
			return fmt.Errorf("an author is named with %d bytes", len(e.Author))
		}
	}
	return nil
}
