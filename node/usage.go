package node

import (
	"time"

	"selvage/internal/calendar"
	"selvage/node/api"
)

// How much is used of the uplink is written down when it has grown by saveUsed bytes, or saveEvery has passed: that is
// what a crash costs.
const (
	saveUsed  = 1 << 20
	saveEvery = time.Minute
)

// usage is what this node used of the month.
func (n *Node) usage() calendar.Used {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.used
}

// use counts what has crossed the uplink since it last did, in the month that it is by the ledger's clock, which no machine without
// a clock of its own puts back.
func (n *Node) use() {
	t, now := n.mesh.Traffic(), n.ledger.Now()
	all := t.UplinkUp + t.UplinkDown
	n.mu.Lock()
	n.used = n.used.Add(now, all-n.counted)
	n.counted = all
	u, was := n.used, n.saved
	due := u.Month != was.Month || u.Bytes-was.Bytes >= saveUsed || u != was && time.Since(n.savedAt) >= saveEvery
	if due {
		n.saved, n.savedAt = u, time.Now()
	}
	n.mu.Unlock()
	if due {
		n.saveUsage(u)
	}
}

func (n *Node) saveUsage(u calendar.Used) {
	if err := n.home.SaveUsed(u); err != nil {
		n.log.Warn("node: cannot write down what was used of the uplink", "err", err)
	}
}

// bulkHeld says why blobs may not cross the uplink now, and until when, as far as that is known; "" if they may. The cap is the site's: each of its live
// nodes keeps to an equal share.
func (n *Node) bulkHeld(mates int) (why string, until time.Time) {
	n.mu.Lock()
	windows, u, most := n.windows, n.used, n.settings.MonthCap
	n.mu.Unlock()
	if !u.Left(share(most, int64(max(1, mates)))) {
		return api.HeldByCap, u.Ends()
	}
	if open, next := calendar.Open(windows, n.ledger.Now()); !open {
		return api.HeldByWindow, next
	}
	return "", time.Time{}
}
