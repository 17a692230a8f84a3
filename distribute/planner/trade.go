package planner

import (
	"math"
	"time"
)

// How many times sooner a seed must be than other sites to be asked for what is expected of them: for
// what nobody of them has yet, and for what somebody has.
const (
	eagerRare   = 6
	eagerTraded = 12
)

// hearTime is how long a node waits at first for what its mates say that they are getting.
const hearTime = 200 * time.Millisecond

// dealTime is how long other sites may still begin to ask for the blob, after this one did, which gives this one another share. Until then
// seeds of one site are asked together for no more than one would be: what they were asked for by then they may send another site too.
const dealTime = time.Second

// trade is what is known of other sites that get the blob too.
type trade struct {
	share   Share    // what this site takes first
	dealing *dealing // of which it is
	whole   bool     // a trader has all by now

	traders, seeds income // what comes from them
	scant          scant
	rare           int       // pieces that nobody has but seeds
	fewer          time.Time // when they were last others than before
	withheld       bool      // a seed could be asked for more, and is not: it is expected of traders
}

// trader reports whether the peer is of another site and is getting the blob as this one is, or has got it so.
func (q *peer) trader() bool { return q.far() && q.counts() && (!q.all || q.wanted) }

// seeds reports whether the peer is of another site and had the whole blob before this one began.
func (q *peer) seeds() bool { return q.far() && q.trusted() && q.all && !q.wanted }

// uplink is another site's, which its nodes share.
type uplink struct {
	bytes   int64     // asked for by this node, of all who are there
	settles time.Time // when shares are taken to be final
}

// dry reports whether all who are there will soon have sent what they were asked for, of which one has a window.
func (u *uplink) dry(window int64) bool { return u.bytes < window/4 }

// full reports whether enough was asked for over the uplink, of all who are there, while the shares may still change.
func (u *uplink) full(window int64, now time.Time) bool {
	return u.bytes >= window && now.Before(u.settles)
}

// dry reports whether the peer will soon have sent all that it was asked for.
func (q *peer) dry() bool { return q.bytes < q.window()/4 }

// Peers of other sites: those that get the blob too, those that had it, and of these what each gives to this site.
var (
	fromTraders    = kind{may: (*peer).trader}
	fromOwers      = kind{may: (*peer).seeds, owed: true}
	fromDryTraders = kind{may: func(q *peer) bool { return q.dry() && q.trader() }}
	fromDryOwers   = kind{may: func(q *peer) bool { return q.dry() && q.seeds() }, owed: true}
	fromSeeds      = kind{may: (*peer).seeds}
	fromDrySeeds   = kind{may: func(q *peer) bool { return q.uplink.dry(q.window()) && q.seeds() }}
)

// wait is how many seconds traders will take for some bytes.
func (t *trade) wait(n int64, now time.Time) float64 {
	rate := t.traders.per(now)
	if rate == 0 {
		return math.Inf(1)
	}
	return float64(n) / rate
}
