package trust

import "time"

// Floor is the highest time that an operator was seen to have signed. Edge clocks lie: a machine
// without a battery wakes up in 1970, and would believe every credential good. The zero Floor
// knows nothing yet.
type Floor struct{ at time.Time }

// NewFloor resumes from a floor that was kept.
func NewFloor(at time.Time) Floor { return Floor{at} }

// Raise notes the time in a statement that the charter's keys signed, and reports whether the
// floor rose. A time after the charter's expiry is not believed: no honest operator signs under
// an expired charter. Up to that one mistaken clock makes credentials of the whole fleet expire, and nothing takes it back.
func (f *Floor) Raise(signed time.Time, c *Charter) bool {
	if !signed.After(f.at) || signed.After(c.Expires) {
		return false
	}
	f.at = signed
	return true
}

// At returns the floor.
func (f Floor) At() time.Time { return f.at }

// Now returns the later of the clock and the floor.
func (f Floor) Now(clock time.Time) time.Time {
	if clock.Before(f.at) {
		return f.at
	}
	return clock
}
