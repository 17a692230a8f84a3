package lease

import (
	"slices"
	"time"

	"selvage/internal/ident"
)

// watch compares this node's clock with those of the acceptors that answer it. An answer says what the other clock
// showed at some moment between the question and the answer; two of them, some time apart, bound how fast it runs.
type watch struct {
	peers []sighting // one for each node of the panel, at most
}

// sighting is what is known of another clock.
type sighting struct {
	node ident.NodeID
	life Incarnation
	// At some moment between lo and hi of this node's clock, the other showed theirs.
	theirs, lo, hi time.Duration
	wrong          bool // it did not run as this one does, within what the bound allows
}

// deviates reports whether a node's clock is known not to run as this one does.
func (w watch) deviates(n ident.NodeID) bool {
	i := w.find(n)
	return i >= 0 && w.peers[i].wrong
}

func (w watch) find(n ident.NodeID) int {
	return slices.IndexFunc(w.peers, func(s sighting) bool { return s.node == n })
}

// wrong reports whether two sightings of one clock show that the bound is violated by it, or by this node's.
func (s Settings) wrong(a, b sighting) bool {
	theirs, least := b.theirs-a.theirs, shrink(b.lo-a.hi, s.DriftPPM)
	if a.hi > b.lo { // the answers may have overtaken one another
		least = -stretch(a.hi-b.lo, s.DriftPPM)
	}
	return theirs > stretch(b.hi-a.lo, s.DriftPPM) || theirs < least
}

// with returns the watch with one more sighting. The first is kept to compare with, for Baseline; so is a clock's
// deviation, for as long.
func (w watch) with(s sighting, set Settings) watch {
	i := w.find(s.node)
	w.peers = slices.Clone(w.peers)
	switch {
	case i < 0:
		w.peers = append(w.peers, s)
	case w.peers[i].life != s.life:
		w.peers[i] = s // another life may count from another moment
	case set.wrong(w.peers[i], s):
		w.peers[i].wrong = true
	case s.lo-w.peers[i].hi >= set.Baseline:
		w.peers[i] = s
	}
	return w
}

// outvoted reports whether at least as many of the voters as not have clocks that do not run as this node's does,
// this one counted for itself: then it is this one that is wrong, as far as can be told.
func (w watch) outvoted(voters []Voter) bool {
	agree, deviate := 1, 0
	for _, s := range w.peers {
		switch {
		case !has(voters, s.node):
		case s.wrong:
			deviate++
		default:
			agree++
		}
	}
	return deviate >= agree
}

// sight takes the clock of an answer in, and abstains if this node's own is the one that is wrong.
func (m *Machine) sight(now time.Duration, from ident.NodeID, msg Message) {
	if m.set.Baseline == 0 || from == m.self {
		return
	}
	before := m.watch.deviates(from)
	m.watch.peers = slices.DeleteFunc(slices.Clone(m.watch.peers), func(s sighting) bool { return !has(m.panel(), s.node) })
	m.watch = m.watch.with(sighting{node: from, life: msg.Life, theirs: msg.Clock, lo: m.try.sent, hi: now}, m.set)
	switch {
	case !m.watch.deviates(from):
	case m.watch.outvoted(m.rec.Config.Voters):
		m.abstain(now, ClockDeviates)
	case !before:
		m.alarm(PeerDeviates, from)
	}
}
