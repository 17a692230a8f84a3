package node

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"selvage/internal/ident"
)

// Pace of beacons.
const (
	pacePerSite = 3 * time.Second // all beacons of the fleet together are one in this time
	minPace     = 10 * time.Second
	maxPace     = 10 * time.Minute

	beaconSettle = 2 * time.Second  // so that what changes together is one beacon
	beaconGap    = 5 * time.Second  // between two beacons of a node, at least
	beaconTurn   = 5 * time.Second  // how long the next in turn waits for the one before it
	beaconStart  = 10 * time.Second // a node that has just started has not met its mates yet
)

// beaconPace is how often a site says that it is there though nothing has changed: rarer in larger
// fleets, so that the traffic of all beacons stays the same.
func beaconPace(sites int) time.Duration {
	return min(max(minPace, time.Duration(sites)*pacePerSite), maxPace)
}

// heardBeacon is the newest beacon of a node.
type heardBeacon struct {
	author   ident.NodeID
	seq      uint64
	received time.Time
	beacon
}

// counting returns the beacons of a site that count at a time: those that are not over, and that no
// other beacon of the site stands in the place of. There is one, unless the site has fallen apart:
// then each part has its own, and what either lists is alive.
func counting(all []heardBeacon, now time.Time) []heardBeacon {
	var out []heardBeacon
	for _, b := range all {
		ended := slices.ContainsFunc(all, func(o heardBeacon) bool { return o.author != b.author && o.ends(b.author, b.seq) })
		if !ended && now.Sub(b.received) < b.life() {
			out = append(out, b)
		}
	}
	return out
}

// siteView is what a node sees of its site at one moment.
type siteView struct {
	now     time.Time
	alive   []ident.NodeID // members of the site, with this node
	leader  ident.NodeID   // of the site, as this node knows; zero if none
	beacons []heardBeacon  // of the site, the newest of each author, in the order of authors
	pace    time.Duration
}

// herald decides when a node publishes its site's beacon. Members take turns: who leads the site, then the others in a rendezvous
// order (Thaler and Ravishankar, 1998). The first does it, and each other one only when those before it
// have not for a while; so nobody needs to know that the first hangs. It does no I/O.
//
// A beacon names those that it stands in the place of: of members that are alive here, every one
// that is known; of others the one that was their newest when they were missed. So the beacon of a
// node that died does not go on to speak for the site; and if it has not died but is in another
// part of the site, it sees that its beacon was ended, and publishes another, which stands.
type herald struct {
	self  ident.NodeID
	start time.Time
	last  time.Time               // when this node published; zero if it has not
	wrong time.Time               // since when no beacon says how the site is; zero if one does
	gone  map[ident.NodeID]uint64 // authors that are not alive here, and their newest beacon when they were missed
}

func newHerald(self ident.NodeID, now time.Time) *herald {
	return &herald{self: self, start: now, gone: map[ident.NodeID]uint64{}}
}

// step returns the beacon to publish now, or how long to wait, if nothing changes meanwhile.
func (h *herald) step(v siteView) (publish *beacon, wait time.Duration) {
	h.rewind(v.now)
	h.watch(v)
	mine := beacon{Alive: shorts(v.alive), Pace: uint32(v.pace / time.Second), Ends: h.ended(v)}
	current, ok := h.current(v)
	if ok && bytes.Equal(current.Alive, mine.Alive) {
		h.wrong = time.Time{}
	} else if h.wrong.IsZero() {
		h.wrong = v.now
	}
	turn := time.Duration(h.rank(v))
	var due time.Time
	if h.wrong.IsZero() {
		due = current.received.Add(v.pace + turn*v.pace/2)
	} else {
		since := h.wrong
		if met := h.start.Add(beaconStart); since.Before(met) {
			since = met
		}
		due = since.Add(beaconSettle + turn*beaconTurn)
	}
	if next := h.last.Add(beaconGap); !h.last.IsZero() && due.Before(next) {
		due = next
	}
	if v.now.Before(due) {
		return nil, due.Sub(v.now)
	}
	h.last, h.wrong = v.now, time.Time{}
	return &mine, v.pace
}

// rewind forgets times that are yet to come: the clock was set back.
func (h *herald) rewind(now time.Time) {
	for _, t := range []*time.Time{&h.start, &h.last, &h.wrong} {
		if t.After(now) {
			*t = now
		}
	}
}

// watch notes whose beacons are to be ended where they were when their authors were missed.
func (h *herald) watch(v siteView) {
	for _, b := range v.beacons {
		if slices.Contains(v.alive, b.author) {
			delete(h.gone, b.author)
		} else if _, noted := h.gone[b.author]; !noted {
			h.gone[b.author] = b.seq
		}
	}
}

// ended lists the beacons that one published now stands in the place of.
func (h *herald) ended(v siteView) (out []beaconEnd) {
	for _, b := range v.beacons {
		if b.author == h.self || len(out) == maxBeaconEnds {
			continue
		}
		seq := b.seq
		if gone, ok := h.gone[b.author]; ok {
			seq = gone
		}
		out = append(out, beaconEnd{Author: slices.Clone(short(b.author)), Seq: seq})
	}
	return out
}

// current returns the one beacon that counts of those that members alive here have published. If
// there are several, none says how the site is.
func (h *herald) current(v siteView) (heardBeacon, bool) {
	var here []heardBeacon
	for _, b := range counting(v.beacons, v.now) {
		if slices.Contains(v.alive, b.author) {
			here = append(here, b)
		}
	}
	if len(here) != 1 || here[0].received.After(v.now) { // the clock was set back
		return heardBeacon{}, false
	}
	return here[0], true
}

// rank is how many members come before this node in the order of turns: who leads the site, then by rendezvous.
func (h *herald) rank(v siteView) int {
	if h.self == v.leader {
		return 0
	}
	n, mine := 0, sha256.Sum256(h.self[:])
	for _, id := range v.alive {
		if w := sha256.Sum256(id[:]); id != h.self && (id == v.leader || bytes.Compare(w[:], mine[:]) > 0) {
			n++
		}
	}
	return n
}
