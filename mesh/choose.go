package mesh

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"selvage/internal/ident"
)

// Whom a host stays connected to.
const (
	maxSiteMates = 64 // of its own site: all, up to this many
	neighbours   = 4  // of other sites, at most
	siteEdge     = 12 // of other sites, that all nodes of a site have together, or one each
	maxStrangers = 8  // dials at once to nodes of which there is only hearsay
)

// farWanted is how many neighbours of other sites a node has: every one costs the uplink something
// though nothing happens, so nodes of a larger site have fewer.
func farWanted(site string, all []candidate) int {
	mates := 1
	for _, c := range all {
		if c.site == site && !c.hearsay {
			mates++
		}
	}
	return min((siteEdge+mates-1)/mates, neighbours)
}

// candidate is a node as choose sees it.
type candidate struct {
	id        ident.NodeID
	rank      uint64 // affinity of the two nodes
	site      string // "" if unknown
	hearsay   bool   // nobody whom the host trusts has vouched for it
	connected bool
	dialling  bool
	ready     bool // may be dialled now: it has an address, and no back-off runs
	spare     bool // this host has dialled it, some time ago, and moves nothing bulky over the connection
}

// linked reports whether c is, or is about to be, connected.
func (c candidate) linked() bool { return c.connected || c.dialling }

// choose returns whom to dial now; all is ordered by rank. It is a pure function.
//
//   - Of the own site: everyone, up to maxSiteMates.
//   - Of other sites: this host's own neighbours. They are few, spread over sites, and picked by a
//     hash of both ends from all nodes that are known, whether they answer or not. So the choice is
//     stable and different on every node, and the fleet's graph of own neighbours does not depend
//     on who could reach whom lately: two halves of a fleet that were cut apart, and have found
//     neighbours enough each on its side, still find together. While own neighbours do not
//     answer, others stand in.
//   - Of whom there is only hearsay: a few at a time.
func choose(site string, all []candidate, held bool) []ident.NodeID {
	dial := chooseMates(site, all)
	if !held {
		dial = append(dial, chooseFar(site, all)...)
	}
	return append(dial, chooseStrangers(site, all)...)
}

func chooseMates(site string, all []candidate) (dial []ident.NodeID) {
	room := maxSiteMates
	for _, c := range all {
		if c.site == site && c.linked() {
			room--
		}
	}
	for _, c := range all {
		if room > 0 && c.site == site && !c.hearsay && !c.linked() && c.ready {
			dial = append(dial, c.id)
			room--
		}
	}
	return dial
}

func chooseFar(site string, all []candidate) (dial []ident.NodeID) {
	near := 0
	reached := map[string]bool{} // sites
	for _, c := range all {
		if c.site != site && c.site != "" && c.linked() {
			near++
			reached[c.site] = true
		}
	}
	own, wanted := ownNeighbours(site, all), farWanted(site, all)
	for _, c := range own {
		if !c.linked() && c.ready {
			dial = append(dial, c.id)
			near++
			reached[c.site] = true
		}
	}
	// Stand-ins: first where no other connection leads to, then anywhere.
	for _, anywhere := range []bool{false, true} {
		for _, c := range all {
			far := c.site != site && c.site != ""
			if near >= wanted || !far || c.linked() || !c.ready || !anywhere && reached[c.site] || slices.Contains(dial, c.id) {
				continue
			}
			dial = append(dial, c.id)
			near++
			reached[c.site] = true
		}
	}
	return dial
}

// patient leaves out of what choose said those nodes of other sites for which a host can wait: when it has neighbours enough, and, if it
// has one, for those of whom there is only hearsay. Of these it dials one when due says so. Whom a host prefers changes with every node
// that it hears of, and when a fleet starts it would make several connections for each that it keeps; and its first neighbour soon
// tells it by the ledger whom it will prefer.
func patient(site string, all []candidate, dial []ident.NodeID, due bool) (now []ident.NodeID) {
	if len(dial) == 0 {
		return nil
	}
	far := map[ident.NodeID]int{} // those to dial, and how many neighbours are enough without
	wanted, near := farWanted(site, all), 0
	for _, c := range all {
		switch elsewhere := c.site != site && c.site != ""; {
		case elsewhere && c.linked():
			near++
		case elsewhere && c.hearsay:
			far[c.id] = 1
		case elsewhere:
			far[c.id] = wanted
		}
	}
	for _, id := range dial {
		if enough, ok := far[id]; ok {
			if near >= enough && !due {
				continue
			}
			due = due && near < enough
			near++
		}
		now = append(now, id)
	}
	return now
}

// groping leaves out of what choose said those nodes of whom not even the site is known, but for one if due says so. They are
// of a ticket, or of an earlier run; who has reached one of them is told by it who the others are, and need not dial most of those.
func groping(all []candidate, dial []ident.NodeID, due bool) (now []ident.NodeID) {
	blind := map[ident.NodeID]bool{}
	for _, c := range all {
		blind[c.id] = c.site == ""
	}
	for _, id := range dial {
		if blind[id] && !due {
			continue
		}
		due = due && !blind[id]
		now = append(now, id)
	}
	return now
}

// ownNeighbours returns the nodes of other sites that this host always tries to stay connected to:
// one of each site as far as that goes, then any. all is ordered by rank.
func ownNeighbours(site string, all []candidate) (own []candidate) {
	taken, wanted := map[string]bool{}, farWanted(site, all) // sites
	for _, second := range []bool{false, true} {
		for _, c := range all {
			if len(own) >= wanted || c.site == site || c.site == "" || c.hearsay {
				continue
			}
			if second && slices.ContainsFunc(own, func(o candidate) bool { return o.id == c.id }) || !second && taken[c.site] {
				continue
			}
			own = append(own, c)
			taken[c.site] = true
		}
	}
	return own
}

// surplus returns a connection across the uplink to close, if this host has more than it wants: a
// stand-in that it has dialled and that is no own neighbour any more, the one of the highest rank. If
// this host is an own neighbour of the other end, that end dials it again, and keeps the connection. all is
// ordered by rank.
func surplus(site string, all []candidate) (id ident.NodeID, ok bool) {
	far := 0
	for _, c := range all {
		if c.site != site && c.site != "" && c.connected {
			far++
		}
	}
	if far <= farWanted(site, all) {
		return id, false
	}
	own := ownNeighbours(site, all)
	for _, c := range slices.Backward(all) {
		if c.site != site && c.site != "" && c.connected && c.spare && !slices.Contains(own, c) {
			return c.id, true
		}
	}
	return id, false
}

func chooseStrangers(site string, all []candidate) (dial []ident.NodeID) {
	room := maxStrangers
	strange := func(c candidate) bool { return c.site == "" || c.site == site && c.hearsay }
	for _, c := range all {
		if strange(c) && c.dialling {
			room--
		}
	}
	for _, mates := range []bool{true, false} { // who may be of this site comes first
		for _, c := range all {
			if room > 0 && strange(c) && mates == (c.site == site) && !c.linked() && c.ready {
				dial = append(dial, c.id)
				room--
			}
		}
	}
	return dial
}

// affinity orders nodes differently for every node.
func affinity(a, b ident.NodeID) uint64 {
	sum := sha256.Sum256(append(a[:], b[:]...))
	return binary.BigEndian.Uint64(sum[:])
}

// Bounds of the back-off. Dials within the site cost nothing that is scarce.
const (
	backoffMate = 5 * time.Second
	backoffFar  = 30 * time.Second
)

// backoff is how long to wait after the n-th dial on end that failed: 1 s doubling to most, and up
// to half as much again, which share (0 to 1) decides.
func backoff(n int, most time.Duration, share float64) time.Duration {
	d := min(time.Second<<min(max(n-1, 0), 10), most)
	return d + time.Duration(share*float64(d)/2)
}
