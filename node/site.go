package node

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/node/api"
	"selvage/node/lead"
)

// DraftSite implements api.Backend.
func (n *Node) DraftSite(site string) (json.RawMessage, error) {
	if err := n.refuseRevoked(); err != nil {
		return nil, err
	}
	if n.ledger.Chain() == nil {
		return nil, notAdmitted(errNoCharter)
	}
	if len(n.ledger.NodesOf(site)) == 0 {
		return nil, api.NotFound(fmt.Sprintf("no node of a site %q is known here", site), "'selvage get sites' lists them")
	}
	return json.Marshal(n.ledger.DraftSite(site))
}

// publishSite takes a signed site config. What it names has to be what it is named for: a slip of the pen would be found too late.
func (n *Node) publishSite(envelope, payload []byte) (string, error) {
	c, err := ledger.DecodeSite(payload)
	if err != nil {
		return "", api.Refuse(err, "")
	}
	for _, w := range c.Witnesses {
		if m, ok := n.ledger.Node(w); !ok || m.Site == c.Site || m.Revoked {
			return "", api.Refuse(fmt.Errorf("%s cannot be a witness for site %s", n.nameOf(w), c.Site), "a witness is a node of another site that is known here, and not revoked")
		}
	}
	for _, is := range c.Issuers {
		if m, ok := n.ledger.Node(is.Node); !ok || m.Site != c.Site || m.Revoked {
			return "", api.Refuse(fmt.Errorf("%s cannot renew credentials for site %s", n.nameOf(is.Node), c.Site), "that is for nodes of the site, known here, and not revoked")
		}
	}
	return n.publishStatement(ledger.KindSiteConfig, c.Site, envelope)
}

// witnessed are the sites that this node votes for as a witness, in order.
func (n *Node) witnessed() (sites []string) {
	if m, ok := n.ledger.Node(n.home.Node); !ok || m.Quarantined != "" {
		return nil
	}
	for _, c := range n.ledger.SiteConfigs() {
		if c.Site != n.home.Site && slices.Contains(c.Witnesses, n.home.Node) {
			sites = append(sites, c.Site)
		}
	}
	return sites
}

// witnesses are the nodes of other sites that may vote on who leads this one.
func (n *Node) witnesses() (out []lead.Mate) {
	for _, w := range n.ledger.SiteConfig(n.home.Site).Witnesses {
		if m, ok := n.ledger.Node(w); ok && m.Site != n.home.Site && m.Quarantined == "" {
			out = append(out, lead.Mate{Node: w, Up: n.inTouch(m), Witness: true})
		}
	}
	return out
}

// inTouch reports whether a node of another site is up, as far as this one knows: it is connected, or its site says so.
func (n *Node) inTouch(m ledger.Node) bool {
	if slices.Contains(n.mesh.Connected(), m.Node) {
		return true
	}
	var all []heardBeacon
	now := n.cfg.Now()
	for _, r := range n.ledger.BeaconsOf(m.Site) {
		r.Received = n.heardAt(r.Received, now)
		all = n.appendBeacon(all, r)
	}
	_, up := signs(m.Node, counting(all, now), time.Time{}, now)
	return up
}

// isOf reports whether a node is an admitted one of a site.
func (n *Node) isOf(id ident.NodeID, site string) bool {
	m, ok := n.ledger.Node(id)
	return ok && m.Site == site && m.Quarantined == ""
}

// named tells people whom operators have named for a site.
func (n *Node) named(site string) (witnesses []api.Voter, issuers []api.Issuer) {
	c := n.ledger.SiteConfig(site)
	for _, w := range c.Witnesses {
		m, _ := n.ledger.Node(w)
		witnesses = append(witnesses, api.Voter{Node: w, Name: m.Name, Up: w == n.home.Node || n.inTouch(m), Witness: true})
	}
	for _, is := range c.Issuers {
		m, _ := n.ledger.Node(is.Node)
		issuers = append(issuers, api.Issuer{Node: is.Node, Name: m.Name, LifeSeconds: time.Duration(is.Life).Seconds(), Expires: is.Expires})
	}
	return witnesses, issuers
}
