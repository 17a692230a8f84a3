package planner

import (
	"math"
	"time"
)

// incomeTime is over how long it is looked at what other sites give.
const incomeTime = time.Second

// How many times sooner a seed must be than other sites to be asked for what is expected of them: for
// what nobody of them has yet, and for what somebody has.
const (
	eagerRare   = 6
	eagerTraded = 12
)

// hearTime is how long a node waits at most for what local peers say at first.
const hearTime = 200 * time.Millisecond

// dealTime is how long other sites may still begin to ask for the blob, after this one did, which gives this one another share. Until then
// seeds of one site are asked together for no more than one would be: what they were asked for by then they may send another site too.
const dealTime = time.Second

// trade is what is known of other sites that get the blob too.
type trade struct {
	share   Share    // what this site takes first
	dealing *dealing // of which it is
	whole   bool     // a trader has all by now

	income   float64 // bytes a second that traders gave, smoothed
	gathered int64   // bytes that came since that was last measured
	at       time.Time
	came     intake
	scant    scant
	rare     int       // pieces that nobody has but seeds
	fewer    time.Time // when they were last others than before
	withheld bool      // a seed could be asked for more, and is not: it is expected of traders
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

// earn takes note of what a trader gave.
func (t *trade) earn(n int64, now time.Time) {
	t.came.given += n
	t.gathered += n
	d := now.Sub(t.at).Seconds()
	switch {
	case d <= 0:
	case t.income == 0: // the first of it
		t.income, t.gathered, t.at = float64(t.gathered)/incomeTime.Seconds(), 0, now
	default:
		t.income += (float64(t.gathered)/d - t.income) * min(1, d/incomeTime.Seconds())
		t.gathered, t.at = 0, now
	}
}

// wait is how many seconds traders will take for some bytes.
func (t *trade) wait(n int64, now time.Time) float64 {
	income := t.income
	if silent := now.Sub(t.at); silent > incomeTime {
		income *= incomeTime.Seconds() / silent.Seconds()
	}
	if income == 0 {
		return math.Inf(1)
	}
	return float64(n) / income
}
