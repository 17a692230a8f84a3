package node

import (
	"encoding/hex"
	"time"

	"selvage/node/api"
)

// Status implements api.Backend.
func (n *Node) Status() api.Status {
	_, admitted := n.ledger.Node(n.home.Node)
	s := api.Status{
		Node: n.home.Node, Name: n.home.Name, Site: n.home.Site, FleetID: n.home.Fleet.String(), Admitted: admitted,
		Addresses: n.mesh.Addrs(), Peers: []api.Peer{}, Uplink: n.uplink(), Lease: n.lease(), Deployments: n.ownReport().running(),
		ResidentBytes: n.cfg.Resident(), UptimeSeconds: time.Since(n.started).Seconds(),
		Version: n.cfg.Version, Platform: n.cfg.Platform, Time: n.ledger.Now(),
	}
	s.Revoked, s.Credential = n.revokedSelf(), n.credential()
	root := n.ledger.Root([]string{""})
	s.Ledger = hex.EncodeToString(root[:])
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
