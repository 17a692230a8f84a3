package node

import (
	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/lease"
	"selvage/ledger/trust"
	"selvage/node/lead"
)

// leaseKey is the key of a node's lease record in the ledger: a register entry of the site's scope, written by who leads.
const leaseKey = "site"

// openLead has the node take part in leading its site.
func (n *Node) openLead() error {
	if err := n.cfg.Lease.Check(); err != nil {
		return err
	}
	cred, err := trust.ParseCredential(n.home.Credential)
	first := len(n.home.Charters) > 0 || err == nil && cred.First()
	n.lead = lead.Start(lead.Config{
		Self: n.home.Node, Settings: n.cfg.Lease, FS: n.cfg.FS, Network: n.mesh, InSite: n.inSite, Clock: n.cfg.Uptime, Founder: first,
		Known: n.knownLeases, Mates: n.siteMates, Publish: n.publishLease, Alert: n.alert, Logger: n.log,
	})
	return nil
}

// Lead is this node's part in leading its site.
func (n *Node) Lead() *lead.Lead { return n.lead }

// knownLeases are the lease records of the site that the ledger holds and that can be read.
func (n *Node) knownLeases() []lead.Known {
	var out []lead.Known
	for _, r := range n.ledger.LeasesOf(n.home.Site) {
		if held, err := lease.DecodeHeld(r.Body); err == nil {
			out = append(out, lead.Known{Author: r.Node, Held: held})
		}
	}
	return out
}

// siteMates are the members of the site that are not put out, by name.
func (n *Node) siteMates() []lead.Mate {
	here := map[ident.NodeID]bool{n.home.Node: true}
	for _, id := range n.mates() {
		here[id] = true
	}
	var out []lead.Mate
	for _, m := range n.ledger.NodesOf(n.home.Site) {
		if m.Quarantined == "" {
			out = append(out, lead.Mate{Node: m.Node, Up: here[m.Node]})
		}
	}
	return out
}

func (n *Node) publishLease(h lease.Held) error {
	body, err := h.Encode()
	if err == nil {
		_, err = n.feeds.publish(ledger.KindLease, n.home.Site, leaseKey, body)
	}
	return err
}

// leaseStored tells followLeases of a record that has been stored, if it can be a lease record of the site. It never blocks.
func (n *Node) leaseStored(r ledger.Record) {
	if f, err := ledger.ParseFeed(r.Feed); err != nil || f.Scope != n.home.Site || f.Lane != ledger.Register {
		return
	}
	select {
	case n.leases <- struct{}{}:
	default: // it is about to look
	}
}

// followLeases has the lease machine hear of what the ledger says of the lease.
func (n *Node) followLeases() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.leases:
		}
		for _, k := range n.knownLeases() {
			n.lead.Learn(k) // this node's own too: its disk may have forgotten
		}
	}
}
