package node

import (
	"context"
	"fmt"
	"time"

	"selvage/internal/calendar"
	"selvage/mesh"
	"selvage/node/api"
	"selvage/node/home"
)

func (n *Node) uplink() api.Uplink {
	s, t, u := n.uplinkSettings(), n.mesh.Traffic(), n.usage()
	out := api.Uplink{UpBytes: t.UplinkUp, DownBytes: t.UplinkDown, Held: s.UplinkHeld, UpLimit: s.UpLimit, DownLimit: s.DownLimit,
		Windows: s.Windows, MonthCap: s.MonthCap, MonthUsed: u.Bytes}
	var until time.Time
	if out.BulkHeld, until = n.bulkHeld(len(n.mates())); !until.IsZero() {
		out.BulkUntil = &until
	}
	for _, m := range n.mirrors {
		out.Mirrors = append(out.Mirrors, m.Name())
	}
	return out
}

// lastWord is how long a node that is about to hold its uplink leaves its report of that to spread,
// so that others need not find out by waiting for it.
const lastWord = 300 * time.Millisecond

// SetUplink implements api.Backend. What it changes is kept over restarts. A cap that is set, if to what it was, counts for the month that it is.
func (n *Node) SetUplink(ctx context.Context, change api.UplinkChange) (api.Uplink, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	was := n.uplinkSettings()
	s := was
	set(&s.UplinkHeld, change.Held)
	set(&s.UpLimit, change.UpLimit)
	set(&s.DownLimit, change.DownLimit)
	set(&s.Windows, change.Windows)
	set(&s.MonthCap, change.MonthCap)
	if s.UpLimit < 0 || s.DownLimit < 0 {
		return api.Uplink{}, api.Refuse(fmt.Errorf("a limit of %d bytes a second", min(s.UpLimit, s.DownLimit)), "0 is no limit")
	}
	if s.MonthCap < 0 {
		return api.Uplink{}, api.Refuse(fmt.Errorf("a cap of %d bytes", s.MonthCap), "0 is no cap")
	}
	windows, err := calendar.ParseWindows(s.Windows)
	if err != nil {
		return api.Uplink{}, api.Refuse(err, "")
	}
	if err := n.home.SaveSettings(s); err != nil {
		return api.Uplink{}, fmt.Errorf("keep uplink settings: %w", err)
	}
	n.mu.Lock()
	n.settings, n.windows = s, windows
	if change.MonthCap != nil {
		n.used = n.used.Begun(n.ledger.Now()) // a clock that was ahead may have begun one of years to come
	}
	n.mu.Unlock()
	n.poke()
	if s.UplinkHeld && !was.UplinkHeld {
		sleep(ctx, n.reportSettle()+lastWord)
	}
	n.shareNow()
	return n.uplink(), nil
}

// set changes a thing if there is something to change it to.
func set[T any](thing *T, to *T) {
	if to != nil {
		*thing = *to
	}
}

// sleep returns after d, or when ctx ends; it reports whether ctx lasts.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// How often a node looks what its part of the uplink is, and, under a cap, what it has used: what comes in that time may be too much.
const (
	shareEvery = 5 * time.Second
	capEvery   = time.Second
)

// share keeps this node's part of the site's uplink limit, and of the links across its edge, what it
// should be.
func (n *Node) share() {
	for {
		changed := n.members.Changed()
		n.use()
		n.shareNow()
		n.replicator.MatesChanged()
		every := shareEvery
		if n.uplinkSettings().MonthCap > 0 {
			every = capEvery
		}
		look := time.NewTimer(every)
		select {
		case <-n.ctx.Done():
			look.Stop()
			return
		case <-changed:
			look.Stop()
		case <-look.C:
		}
	}
}

// shareNow is what share does.
func (n *Node) shareNow() {
	u := n.uplinkShare(len(n.mates()))
	n.mesh.SetUplink(u)
	n.swarm.Uplink(!u.BulkHeld)
}

// uplinkShare divides the site's limits by its live nodes.
func (n *Node) uplinkShare(mates int) mesh.Uplink {
	s, k := n.uplinkSettings(), int64(max(1, mates))
	why, _ := n.bulkHeld(mates)
	return mesh.Uplink{Held: s.UplinkHeld, Up: share(s.UpLimit, k), Down: share(s.DownLimit, k), BulkHeld: why != ""}
}

func (n *Node) uplinkSettings() home.Settings {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}

// share never rounds a limit down to none.
func share(limit, k int64) int64 {
	if limit == 0 {
		return 0
	}
	return max(1, limit/k)
}
