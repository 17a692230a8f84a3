package lease

import (
	"fmt"
	"math"
	"math/bits"
	"time"
)

// Settings are the times of a site's lease. All its voters have the same, but for those that only pace them.
type Settings struct {
	// Authority is how long a lease lasts for its holder, from the moment when it asked (D_P).
	Authority time.Duration
	// Margin is how long a side effect may take after the look at the lease that precedes it (m).
	Margin time.Duration
	// DriftPPM is how far a clock's rate may be off the true one, in millionths (r): below a million.
	DriftPPM uint64

	// What follows paces the nodes; safety does not rest on it.

	Renew     time.Duration // from one round of a holder to the next
	Resend    time.Duration // until what was not answered is asked again
	Patience  time.Duration // until a try that no majority answers is given up
	Stagger   time.Duration // between one candidate's turn and the next one's, once a lease has ended
	Deference time.Duration // how long a voter that promised to another candidate holds back itself
	Baseline  time.Duration // over how long clocks are compared; 0: they are not
}

// Defaults returns the settings of a site's lease unless its operator says otherwise: fail-over within 13 s of a
// crash, for clocks that are wrong by up to 1%, which is 20 times what the kernel lets NTP slew them by.
func Defaults() Settings {
	return Settings{
		Authority: 10 * time.Second, Margin: 100 * time.Millisecond, DriftPPM: 10_000,
		Renew: 10 * time.Second / 3, Resend: 300 * time.Millisecond, Patience: 2 * time.Second,
		Stagger: 200 * time.Millisecond, Deference: time.Second, Baseline: 10 * time.Minute,
	}
}

const million = 1_000_000

// Check refuses settings under which a lease would not be safe, or could not be held.
func (s Settings) Check() error {
	switch {
	case s.Authority <= 0 || s.Authority > 24*time.Hour, s.Margin < 0 || s.Margin > s.Authority:
		return fmt.Errorf("check lease settings: authority %v, margin %v", s.Authority, s.Margin)
	case s.DriftPPM >= million/2:
		return fmt.Errorf("check lease settings: a drift of %d ppm", s.DriftPPM)
	case s.Renew <= 0 || s.Renew >= s.Authority, s.Resend <= 0, s.Patience <= 0, s.Stagger < 0, s.Deference < 0, s.Baseline < 0:
		return fmt.Errorf("check lease settings: a pace out of bounds: %+v", s)
	}
	return nil
}

// Acceptance is how long an acceptor holds to a lease that it accepted, by its own clock (D_A), and how long it is
// mute after a start (Q): (D_P+m)(1+r)/(1-r), rounded up. If the holder's clock is the slowest that the bound allows
// and the acceptor's the fastest, it still outlasts the holder's authority.
func (s Settings) Acceptance() time.Duration {
	return stretch(s.Authority+s.Margin, s.DriftPPM)
}

// Elsewhere is how long another node may count by its clock, from no later than now, and have ended before d has passed by this one's:
// d(1-r)/(1+r), rounded down.
func (s Settings) Elsewhere(d time.Duration) time.Duration { return shrink(d, s.DriftPPM) }

// stretch is the most that a clock within the bound may show while another one, within it too, shows d.
func stretch(d time.Duration, ppm uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(d, 0)), million+ppm)
	if hi >= million-ppm { // three hundred years and more
		return math.MaxInt64
	}
	q, rem := bits.Div64(hi, lo, million-ppm)
	if rem > 0 {
		q++
	}
	return time.Duration(min(q, math.MaxInt64))
}

// shrink is the least that a clock within the bound may show while another one, within it too, shows d.
func shrink(d time.Duration, ppm uint64) time.Duration {
	hi, lo := bits.Mul64(uint64(max(d, 0)), million-ppm)
	q, _ := bits.Div64(hi, lo, million+ppm)
	return time.Duration(q)
}
