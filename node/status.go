package node

import (
	"context"
	"fmt"
	"time"

	"selvage/node/api"
)

// Status implements api.Backend.
func (n *Node) Status() api.Status {
	_, admitted := n.ledger.Node(n.home.Node)
	s := api.Status{
		Node: n.home.Node, Name: n.home.Name, Site: n.home.Site, FleetID: n.home.Fleet.String(), Admitted: admitted,
		Addresses: n.mesh.Addrs(), Peers: []api.Peer{}, Uplink: n.uplink(), Deployments: n.ownReport().running(),
		ResidentBytes: n.cfg.Resident(), UptimeSeconds: time.Since(n.started).Seconds(),
		Version: n.cfg.Version, Platform: n.cfg.Platform, Time: n.ledger.Now(),
	}
	if c := n.ledger.Chain(); c != nil {
		s.Fleet, s.Charter = c.Latest().Name, c.Latest().Version
	}
	for _, p := range n.mesh.Peers() {
		s.Peers = append(s.Peers, api.Peer{Node: p.ID, Name: p.Name, Site: p.Site, RTTSeconds: p.RTT.Seconds(), Address: p.Addr})
	}
	n.mu.Lock()
	n.forgetAlerts()
	for _, a := range n.alerts {
		s.Alerts = append(s.Alerts, a.text)
	}
	n.mu.Unlock()
	s.Alerts = append(s.Alerts, n.ledger.Forks()...)
	return s
}

func (n *Node) uplink() api.Uplink {
	s, t := n.uplinkSettings(), n.mesh.Traffic()
	return api.Uplink{UpBytes: t.UplinkUp, DownBytes: t.UplinkDown, Held: s.UplinkHeld, UpLimit: s.UpLimit, DownLimit: s.DownLimit}
}

// lastWord is how long a node that is about to hold its uplink leaves its report of that to spread,
// so that others need not find out by waiting for it.
const lastWord = 300 * time.Millisecond

// SetUplink implements api.Backend. What it changes is kept over restarts.
func (n *Node) SetUplink(ctx context.Context, change api.UplinkChange) (api.Uplink, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	was := n.uplinkSettings()
	s := was
	set(&s.UplinkHeld, change.Held)
	set(&s.UpLimit, change.UpLimit)
	set(&s.DownLimit, change.DownLimit)
	if s.UpLimit < 0 || s.DownLimit < 0 {
		return api.Uplink{}, api.Refuse(fmt.Errorf("a limit of %d bytes a second", min(s.UpLimit, s.DownLimit)), "0 is no limit")
	}
	if err := n.home.SaveSettings(s); err != nil {
		return api.Uplink{}, fmt.Errorf("keep uplink settings: %w", err)
	}
	n.mu.Lock()
	n.settings = s
	n.mu.Unlock()
	n.poke()
	if s.UplinkHeld && !was.UplinkHeld {
		wait(ctx, reportSettle+lastWord)
	}
	n.mesh.SetUplink(n.uplinkShare(len(n.mates())))
	return n.uplink(), nil
}

// set changes a thing if there is something to change it to.
func set[T any](thing *T, to *T) {
	if to != nil {
		*thing = *to
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
