package gossip

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// span is the part of a feed after a number.
type span struct {
	Feed  string
	After uint64
}

// plan is what the initiator of a session does about two frontiers.
type plan struct {
	Give      []span              // by feed
	Want      []want              // by hash
	contested map[feedHash]string // names of the feeds of which all goes both ways
}

// compare finds what each side lacks. A feed whose digests differ at the same number goes both
// ways as a whole, from where earlier sessions have stopped: either side may lack something in the middle, as registers leave holes.
func compare(mine frontier, theirs map[feedHash]Mark, at places) plan {
	p := plan{contested: make(map[feedHash]string)}
	for _, m := range mine {
		t, known := theirs[m.Feed]
		switch {
		case !known, m.Mark.Seq > t.Seq:
			p.Give = append(p.Give, span{m.name, t.Seq})
		case m.Mark.Seq < t.Seq:
			p.Want = append(p.Want, want{m.Feed, m.Mark.Seq})
		case m.Mark.Digest != t.Digest:
			p.contested[m.Feed] = m.name
			if after := at.give[m.Feed]; after != passed {
				p.Give = append(p.Give, span{m.name, after})
			}
			if after := at.want[m.Feed]; after != passed {
				p.Want = append(p.Want, want{m.Feed, after})
			}
		}
	}
	for h := range theirs {
		if _, known := mine.find(h); !known {
			p.Want = append(p.Want, want{h, 0})
		}
	}
	slices.SortFunc(p.Give, func(a, b span) int { return strings.Compare(a.Feed, b.Feed) })
	slices.SortFunc(p.Want, func(a, b want) int { return a.Feed.compare(b.Feed) })
	return p
}

// rotate has the lists begin at random places. A session that follows another does so lest feeds
// that cannot be judged yet fill every session up to its bound, before the feed that would settle
// them has had its turn.
func (p plan) rotate() plan { return plan{rotated(p.Give), rotated(p.Want), p.contested} }

// urgentFirst returns a list with what is of urgent feeds at the front, and the order as it is otherwise.
func urgentFirst[T any](list []T, urgent func(T) bool) []T {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b T) int {
		switch {
		case urgent(a) == urgent(b):
			return 0
		case urgent(a):
			return -1
		}
		return 1
	})
	return list
}

func rotated[T any](s []T) []T {
	if len(s) < 2 {
		return s
	}
	i := rand.IntN(len(s))
	return append(slices.Clone(s[i:]), s[:i]...)
}
