package planner

import "time"

// claimMost is how long a mate may say that it is getting chunks over the uplink before it has brought as many as it claims at a time.
const claimMost = 5 * time.Minute

// vow is what a mate owes for its words. Others wait for what it claims, so bytes have to follow: within claimMost of claiming, as many
// new chunks as it claimed at a time. Neither another claim nor none for a while begins that time anew, nor does a new connection; and what
// the site has already is no claim. One that does not keep its word is not believed until it has.
type vow struct {
	owes   int           // the most chunks that it claimed at a time since it last kept its word
	brings int           // those that it brought since then
	spent  time.Duration // how long it had claimed something since then, when it last said so
	said   time.Time     // when it last said so; zero: it claims nothing
	broken bool
}

// claim takes note that it claims so many chunks that are not here. What it said before stood for patience at most.
func (v *vow) claim(chunks int, patience time.Duration, now time.Time) {
	v.spent = v.claiming(patience, now)
	v.owes = max(v.owes, chunks)
	if v.said = now; chunks == 0 {
		v.said = time.Time{}
	}
}

// claiming is how long it has claimed something since it last kept its word.
func (v *vow) claiming(patience time.Duration, now time.Time) time.Duration {
	if v.said.IsZero() {
		return v.spent
	}
	return v.spent + min(now.Sub(v.said), patience)
}

// bring takes note of a chunk that is new to the site, and reports whether with that it is believed again.
func (v *vow) bring(now time.Time) (mends bool) {
	if v.brings++; v.brings < v.owes {
		return false
	}
	mends = v.broken
	*v = vow{said: v.said}
	if !v.said.IsZero() {
		v.said = now
	}
	return mends
}

// breaks reports whether it is to be believed no more from now on.
func (v *vow) breaks(patience time.Duration, now time.Time) bool {
	if v.broken || v.claiming(patience, now) < claimMost {
		return false
	}
	v.broken = true
	return true
}

// due is when it breaks, if it goes on like that.
func (v *vow) due() time.Time {
	if v.broken || v.said.IsZero() {
		return time.Time{}
	}
	return v.said.Add(claimMost - v.spent)
}
