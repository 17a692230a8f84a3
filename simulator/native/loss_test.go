package native

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"selvage/ledger/lease"
)

// renewals are how a leader fared on a LAN that loses packets.
type renewals struct {
	rounds  int           // in which it asked for more of the lease
	missed  int           // that no majority answered before the next
	slowest time.Duration // from a question to the majority of its answers
	changes int           // of who leads
	without time.Duration // time without a leader
}

// watchRenewals looks at who leads and how long yet, every few milliseconds of virtual time.
func (w *world) watchRenewals(span time.Duration) (r renewals) {
	const look = 5 * time.Millisecond
	set := lease.Defaults()
	var last *machine
	var deadline time.Duration
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(look) {
		m := w.leader()
		if m == nil {
			r.without += look
			continue
		}
		l := m.node().Lead()
		held := l.View().Leader
		switch {
		case m != last:
			if last != nil {
				r.changes++
			}
		case held.Deadline != deadline:
			n := int((held.Deadline - deadline + set.Renew/2) / set.Renew)
			r.rounds, r.missed = r.rounds+n, r.missed+max(0, n-1)
			r.slowest = max(r.slowest, l.Now()+set.Authority-held.Deadline)
		}
		last, deadline = m, held.Deadline
	}
	return r
}

// TestRenewalsUnderLoss: real nodes on a LAN that loses three packets of ten, by itself or in bursts, do not lose their leader by that.
func TestRenewalsUnderLoss(t *testing.T) {
	for name, lan := range map[string]string{
		"constant": "loss: 30%",
		"bursts":   "burst: {bad: 5%, good: 10%, loss: 90%}", // 30% in the mean, ten packets at a time
	} {
		for _, seed := range []uint64{1, 2} {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				s := parse(t, fmt.Sprintf("seed: %d\nduration: 1h\nsites: [{name: a, nodes: 5, lan: {%s}}]\n", seed, lan))
				live(t, s, func(w *world) {
					if took := w.until(3*time.Minute, func() bool {
						return slices.ContainsFunc(w.machines, func(m *machine) bool {
							_, leads := m.leads()
							return leads && len(m.node().Lead().View().Config.Voters) == 5
						})
					}); took < 0 {
						t.Fatal("after three minutes not five vote")
					}
					r := w.watchRenewals(30 * time.Minute)
					t.Logf("%d rounds, %d missed, the slowest took %v; the leader changed %d times, %v without one", r.rounds, r.missed, r.slowest, r.changes, r.without)
					if r.changes > 0 || r.without > 0 {
						t.Errorf("the leader changed %d times, and for %v there was none", r.changes, r.without)
					}
					if w.Misled() != "" {
						t.Error(w.Misled())
					}
				})
			})
		}
	}
}
