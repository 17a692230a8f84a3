package simulator

import "time"

// Counter is a Stage that counts what crosses its links, such that one story played twice gives the same counts.
type Counter interface {
	// Crossed returns the packets and the bytes on the wire that each link of a site was given so far: down the uplink, up it, and
	// on the LAN.
	Crossed(site string) [6]int64
}

// cover has the trace's digest cover when this look was, and what has crossed each link until then: two
// stories of the same events may still have sent other packets.
func (t *story) cover(now time.Duration) {
	t.trace.cover(now)
	counter, ok := t.Stage.(Counter)
	if !ok {
		return
	}
	for _, s := range t.scenario.Sites {
		t.trace.cover(counter.Crossed(s.Name))
	}
}
