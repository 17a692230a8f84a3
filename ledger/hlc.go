package ledger

import "time"

// Timestamp is a hybrid logical clock's reading: unix milliseconds in the upper 48 bits, a
// counter in the lower 16 (Kulkarni et al., Logical Physical Clocks, 2014).
type Timestamp uint64

// maxDrift is how far ahead of ours another node's clock may be and still move ours.
const maxDrift = 10 * time.Minute

func stampOf(t time.Time) Timestamp { return Timestamp(max(t.UnixMilli(), 0)) << 16 }

// Time returns the wall time in the reading.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t >> 16)) }

// next returns a reading later than last, and not before now.
func (last Timestamp) next(now time.Time) Timestamp { return max(last+1, stampOf(now)) }

// observe returns last moved up to a reading from elsewhere, unless that is absurdly far ahead: one
// node's broken clock must not drag the fleet's into the next century.
func (last Timestamp) observe(seen Timestamp, now time.Time) Timestamp {
	if seen > stampOf(now.Add(maxDrift)) {
		return last
	}
	return max(last, seen)
}
