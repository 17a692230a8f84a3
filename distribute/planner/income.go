package planner

import "time"

// incomeTime is over how long it is looked at what comes from others.
const incomeTime = time.Second

// income is what comes from some peers.
type income struct {
	total    int64   // bytes
	rate     float64 // bytes a second, smoothed
	gathered int64   // bytes that came since that was last measured
	at       time.Time
}

// earn takes note of what came.
func (f *income) earn(n int64, now time.Time) {
	f.total += n
	f.gathered += n
	d := now.Sub(f.at).Seconds()
	switch {
	case d <= 0:
	case f.rate == 0: // the first of it
		f.rate, f.gathered, f.at = float64(f.gathered)/incomeTime.Seconds(), 0, now
	default:
		f.rate += (float64(f.gathered)/d - f.rate) * min(1, d/incomeTime.Seconds())
		f.gathered, f.at = 0, now
	}
}

// per is how much comes a second, which gets less as long as nothing comes.
func (f *income) per(now time.Time) float64 {
	if silent := now.Sub(f.at); silent > incomeTime {
		return f.rate * incomeTime.Seconds() / silent.Seconds()
	}
	return f.rate
}
