package planner

import (
	"slices"
	"time"
)

// What other sites give is scant if seeds brought ample times as much in trialTime and trialAnswers of a seed, in which others were asked
// too, or plenty times as much in as long after that, when others have had something to give for longer; and until seeds bring less than
// enough times that in as long. What they bring is looked at for the site: of nodes that share an uplink one gets less at times, and if it
// went on to ask, it would slow down all whom it asks.
const (
	ample        = 4
	plenty       = 3
	enough       = 2
	trialTime    = 2 * time.Second
	trialAnswers = 3
)

// scant is whether other sites that get the blob too are not worth to be asked. What a site gives goes up its uplink, where what it
// gets has to be acknowledged and asked for: if that is thin, little is given, and much less is got meanwhile.
type scant struct {
	is    bool
	since time.Time // when it was looked at last what comes; zero: others were not asked all the time
	again bool      // it was looked at before that too
	came  intake    // by then
	worth float64   // bytes a second that traders gave this node at most, when it was found out
}

// intake is how many bytes came to the site over its uplink.
type intake struct {
	given   int64 // to this node by traders
	seeded  int64 // to this node by seeds
	brought int64 // to mates, who said so first
}

// since is what came after an earlier moment.
func (n intake) since(earlier intake) intake {
	return intake{n.given - earlier.given, n.seeded - earlier.seeded, n.brought - earlier.brought}
}

// share is how much of it seeds gave to each of some nodes, if traders gave all of them as much as this one.
func (n intake) share(nodes int) float64 {
	return float64(n.given+n.seeded+n.brought)/float64(nodes) - float64(n.given)
}

// weigh finds out whether other sites give too little to be asked.
func (p *Planner) weigh(now time.Time) {
	t, s := &p.trade, &p.trade.scant
	if !slices.ContainsFunc(p.order, (*peer).seeds) || !s.is && !p.tradersAsked() {
		*s = scant{}
		return
	}
	if !s.since.IsZero() {
		if now.Before(p.weighed()) {
			return
		}
		took, came := now.Sub(s.since).Seconds(), t.came.since(s.came)
		if !s.is { // a chunk may be on its way
			s.worth = float64(came.given+p.largest) / took
		}
		s.is, s.again = came.share(1+len(p.crewed.mates))/took > s.least()*s.worth, true
	}
	s.since, s.came = now, t.came
}

// least is how many times what traders gave seeds have to bring.
func (s *scant) least() float64 {
	switch {
	case s.is:
		return enough
	case s.again:
		return plenty
	}
	return ample
}

// tradersAsked reports whether others that get the blob are asked for something.
func (p *Planner) tradersAsked() bool {
	return slices.ContainsFunc(p.order, func(q *peer) bool { return q.flight > 0 && q.trader() })
}

// weighed is when it is known what others that are asked give.
func (p *Planner) weighed() time.Time {
	return p.trade.scant.since.Add(trialTime + trialAnswers*p.seedDelay())
}

// seedDelay is the delay of the seed that answers soonest.
func (p *Planner) seedDelay() (least time.Duration) {
	for _, q := range p.order {
		if q.seeds() && q.delay > 0 && (least == 0 || q.delay < least) {
			least = q.delay
		}
	}
	return least
}
