package sequence

import (
	"maps"
	"math"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// The pace. A node that waits asks so often that a leader which is new has heard of all turns before it gives one.
const (
	AskEvery = 3 * time.Second
	Settle   = 10 * time.Second
	Forget   = 30 * time.Second
)

// Bounds of a Table: how many turns there are at a time, and of one node: so one that makes up deployments leaves room for the others'.
const (
	maxTurns   = 4096
	maxOfANode = 256
)

// Claim is what a node asks for.
type Claim struct {
	Deployment string
	Statement  string // the declaration that it changes to
	Max        int    // how many may change at once, at least 1
	Changing   bool   // it has begun, with an earlier turn
	Done       bool   // it has ended: the turn is given back
}

// Answer is what the leader says. The zero Answer is to wait.
type Answer struct {
	Go    bool
	Ahead []ident.NodeID // who changes now, if Go is false; in order of their IDs
}

// Table is what a leader knows of turns. The zero Table is that of who has just come to lead at the time 0. It is not
// safe for concurrent use.
type Table struct {
	since time.Duration
	turns map[key]time.Duration // when the node was heard of last
}

// key has the statement too: a node that changes to one version after another may be heard to have done with the first
// after it has asked for the second.
type key struct {
	deployment, statement string
	node                  ident.NodeID
}

// Lead says that the node leads anew: others may have given turns in between.
func (t *Table) Lead(now time.Duration) { t.since = now }

// Ask answers a node. It is idempotent.
func (t *Table) Ask(now time.Duration, node ident.NodeID, c Claim) Answer {
	t.forget(now)
	k := key{c.Deployment, c.Statement, node}
	_, has := t.turns[k]
	switch {
	case c.Done:
		delete(t.turns, k)
		return Answer{}
	case has || c.Changing:
		return t.give(k, now)
	}
	ahead := t.ahead(c.Deployment)
	switch {
	case slices.Contains(ahead, node): // it changes already, to another version
	case now < t.since+Settle || len(ahead) >= max(1, c.Max) && !mutant.On(mutant.TurnsWithoutBound):
		return Answer{Ahead: ahead}
	}
	return t.give(k, now)
}

func (t *Table) give(k key, now time.Duration) Answer {
	if t.turns == nil {
		t.turns = map[key]time.Duration{}
	}
	if _, has := t.turns[k]; !has && t.full(k.node) {
		return Answer{}
	}
	t.turns[k] = now
	return Answer{Go: true}
}

// full reports whether a node can be given no further turn.
func (t *Table) full(node ident.NodeID) bool {
	of := 0
	for k := range t.turns {
		if k.node == node {
			of++
		}
	}
	return of >= maxOfANode || len(t.turns) >= maxTurns
}

// ahead are the nodes that have a turn.
func (t *Table) ahead(deployment string) (out []ident.NodeID) {
	for k := range t.turns {
		if k.deployment == deployment {
			out = append(out, k.node)
		}
	}
	slices.SortFunc(out, ident.NodeID.Compare)
	return slices.Compact(out)
}

// forget drops the turns of those who are not heard of.
func (t *Table) forget(now time.Duration) {
	maps.DeleteFunc(t.turns, func(_ key, heard time.Duration) bool { return now-heard > Forget })
}

// lonely is how long a node waits for a leader at least before it goes by itself.
const lonely = 10 * time.Minute

// Patience is how long a node that hears of no leader waits before it changes all the same: a site must not stay on an
// old version for ever because it has none. Nodes go in an order that they agree on without a word: place is this
// node's among those that are meant, from 0; of each so many as may change at once, and the next when these have had
// the time that a version may take to prove itself.
func Patience(place int, c Claim, proof time.Duration) time.Duration {
	before := time.Duration(place / max(1, c.Max))
	if most := math.MaxInt64 - lonely; before > 0 && (proof < 0 || proof > most/before) { // more than there is
		return math.MaxInt64
	}
	return lonely + before*proof
}
