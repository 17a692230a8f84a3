package node

import (
	"context"
	"errors"
	"slices"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/lease"
	"selvage/ledger/trust"
	"selvage/node/api"
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
		Self: n.home.Node, Site: n.home.Site, Settings: n.cfg.Lease, FS: n.cfg.FS, Network: n.mesh, InSite: n.inSite, Clock: n.cfg.Uptime, Founder: first,
		Known: n.knownLeases, Mates: n.siteMates, Publish: n.publishLease, Record: n.recordTerm, Held: n.cfg.Led, Alert: n.alert, Logger: n.log,
	})
	n.votes = lead.NewWitnesses(lead.WitnessConfig{Self: n.home.Node, Settings: n.cfg.Lease, FS: n.cfg.FS, Network: n.mesh, IsOf: n.isOf, Clock: n.cfg.Uptime, Alert: n.alert, Logger: n.log})
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

// siteMates are the members of the site that are not put out, by name, and then its witnesses.
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
	return append(out, n.witnesses()...)
}

// publishLease puts a lease record into the ledger. It does not wait while the node is held, as its end would wait for that.
func (n *Node) publishLease(h lease.Held) error {
	if n.hold.held() {
		return errHeld
	}
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

// lease is who leads the site, as this node knows it.
func (n *Node) lease() api.Lease {
	v, now := n.lead.View(), n.lead.Now()
	out := api.Lease{Holder: v.Leader.Token.Ballot.Node, Epoch: v.Fence, ExpiresInSeconds: max(0, v.Leader.Deadline-now).Seconds()}
	if out.Holder.IsZero() && !v.Votes(n.home.Node) {
		out.Holder, out.Epoch = n.toldLease()
	}
	if m, ok := n.ledger.Node(out.Holder); ok {
		out.Name = m.Name
	}
	return out
}

// toldLease is the lease that the ledger tells of, if its holder is up: to those who do not vote.
func (n *Node) toldLease() (holder ident.NodeID, epoch uint64) {
	var last lease.Held
	for _, k := range n.knownLeases() {
		if k.Token.Compare(last.Token) > 0 {
			last = k.Held
		}
	}
	id := last.Token.Ballot.Node
	if id.IsZero() || id == n.home.Node || !slices.Contains(n.mates(), id) {
		return ident.NodeID{}, 0
	}
	return id, last.Token.Number(last.Config)
}

// Leases implements api.Backend: of the own site what this node sees of the lease, of others what their beacons say.
func (n *Node) Leases() []api.SiteLease {
	out := []api.SiteLease{}
	beacons, now := n.beacons(), n.cfg.Now()
	for _, m := range n.ledger.Nodes() { // by site
		if len(out) > 0 && out[len(out)-1].Site == m.Site {
			continue
		}
		if m.Site == n.home.Site {
			out = append(out, n.siteLease())
			continue
		}
		l := api.SiteLease{Site: m.Site, Lease: n.heardLease(counting(beacons[m.Site], now)), Voters: []api.Voter{}}
		l.Witnesses, l.Issuers = n.named(m.Site)
		out = append(out, l)
	}
	return out
}

// heardLease is who leads another site by its beacons. Where the two parts of a site each have one that says so, it is who came to
// lead last.
func (n *Node) heardLease(counting []heardBeacon) (out api.Lease) {
	for _, b := range counting {
		if b.Epoch > out.Epoch {
			m, _ := n.ledger.Node(b.author)
			out = api.Lease{Holder: b.author, Name: m.Name, Epoch: b.Epoch}
		}
	}
	return out
}

func (n *Node) siteLease() api.SiteLease {
	v := n.lead.View()
	out := api.SiteLease{Site: n.home.Site, Lease: n.lease(), Voters: []api.Voter{}, Version: v.Config.Epoch, Muted: max(0, v.Mute-n.lead.Now()).Seconds()}
	here, _ := n.present()
	for _, voter := range v.Config.Voters {
		m, _ := n.ledger.Node(voter.Node)
		out.Voters = append(out.Voters, api.Voter{Node: voter.Node, Name: m.Name, Up: here[voter.Node] || voter.Witness && n.inTouch(m), Witness: voter.Witness})
	}
	out.Witnesses, out.Issuers = n.named(n.home.Site)
	if k := len(out.Voters); k > 0 {
		out.Majority = k/2 + 1
	}
	return out
}

// YieldLease implements api.Backend.
func (n *Node) YieldLease(ctx context.Context) (api.SiteLease, error) {
	err := n.lead.Yield(ctx)
	if errors.Is(err, lead.ErrNotLeading) {
		return api.SiteLease{}, api.Refuse(err, "'selvage get leases' says who does; run 'selvage lease yield' there")
	}
	return n.siteLease(), err
}
