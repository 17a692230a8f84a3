package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// renewEvery is how often a node that leads its site looks whose credential is to be renewed, unless one is due before.
const renewEvery = time.Minute

// renew has this node, while it leads its site and may, renew the credentials of the site's members. It looks at once when it comes to
// lead, and when operators want something else of the site.
func (n *Node) renew() {
	for {
		changed := n.lead.Changed()
		t := time.NewTimer(max(n.renewDue(), time.Second))
		select {
		case <-n.ctx.Done():
			t.Stop()
			return
		case <-changed:
			t.Stop()
		case <-n.wanted:
			t.Stop()
		case <-t.C:
		}
	}
}

// noteSite wakes renew if operators want something else of the site than before; last is what they wanted then.
func (n *Node) noteSite(last *string) {
	digest := n.ledger.SiteConfig(n.home.Site).Digest
	if digest == *last {
		return
	}
	*last = digest
	select {
	case n.wanted <- struct{}{}:
	default: // it is about to look
	}
}

// renewDue renews what is due, and returns how long nothing is.
func (n *Node) renewDue() time.Duration {
	if _, leads := n.lead.Active(); !leads || n.hold.held() || mutant.On(mutant.ForgetRenewal) {
		return renewEvery
	}
	now := n.ledger.Now()
	is, ok := n.ledger.MayIssue(n.home.Node, n.home.Site, now)
	if !ok {
		n.makeWay(now)
		return renewEvery
	}
	wait := renewEvery
	for _, m := range n.ledger.NodesOf(n.home.Site) {
		due, until, may := m.RenewalDue(is, now)
		switch {
		case !may:
		case now.Before(due):
			wait = min(wait, due.Sub(now))
		default:
			if err := n.renewMember(m, now, until); err != nil {
				n.log.Warn("node: cannot renew a credential", "of", m.Name, "err", err)
				return renewEvery
			}
		}
	}
	return wait
}

// makeWay gives the lead up if somebody's credential runs out soon, this node may not renew it, and a voter that is up may: sooner
// or later that one leads. Nothing of the kind is done before it is late, as the leader's work stops for a moment.
func (n *Node) makeWay(now time.Time) {
	here, _ := n.present()
	for _, v := range n.lead.View().Config.Voters {
		is, ok := n.ledger.MayIssue(v.Node, n.home.Site, now)
		if !ok || v.Node == n.home.Node || !here[v.Node] || !n.late(is, now) {
			continue
		}
		n.log.Info("node: gives the lead up, as it may not renew credentials")
		ctx, cancel := context.WithTimeout(n.ctx, makeWayFor)
		defer cancel()
		if err := n.lead.Yield(ctx); err != nil {
			n.log.Warn("node: cannot give the lead up", "err", err)
		}
		return
	}
}

// makeWayFor is how long the leader's work may take to stop.
const makeWayFor = 30 * time.Second

// late reports whether a member of the site that an issuer would renew has had a quarter of the time in which that is due.
func (n *Node) late(is ledger.Issuer, now time.Time) bool {
	for _, m := range n.ledger.NodesOf(n.home.Site) {
		due, _, may := m.RenewalDue(is, now)
		ends, _, _ := m.GoodUntil(now)
		if may && now.After(due.Add(ends.Sub(due)/4)) {
			return true
		}
	}
	return false
}

// renewMember renews one credential. It is an act of who leads: the lease is looked at immediately before, and the renewal carries
// its token, by which that of a later leader is told from this.
func (n *Node) renewMember(m ledger.Node, now, until time.Time) error {
	ends, _, _ := m.GoodUntil(now)
	fence, leads := n.lead.Fence()
	if !leads {
		return fmt.Errorf("renew the credential of %s: this node leads no more", m.Name)
	}
	r, err := trust.SignRenewal(trust.Renewal{Fleet: n.home.Fleet, Serial: m.Serial, Node: m.Node, Fence: fence, Ends: ends, Issued: now, Expires: until}, n.home.Key)
	if err != nil {
		return err
	}
	if _, err := n.feeds.publish(ledger.KindRenewal, "", m.Node.String(), r.Marshal()); err != nil {
		return err
	}
	n.log.Info("node: credential renewed", "of", m.Name, "until", until)
	return nil
}

// ownCredential is what this node shows: its credential, with the newest renewal of it.
func (n *Node) ownCredential() []byte {
	self, _ := n.ledger.Node(n.home.Node)
	_, r, renewed := self.GoodUntil(n.ledger.Now())
	cred, err := trust.ParseCredential(n.home.Credential)
	if !renewed || err != nil || r.Serial != cred.Serial() {
		return n.home.Credential
	}
	return cred.With(r).Marshal()
}

// shown notes until when the credential is good that a peer has shown: it may show a renewal that has not come otherwise.
func (n *Node) shown(id ident.NodeID, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.until[id] = until
}

// overdue reports whether a connected member's credential has expired, as far as anybody has said otherwise.
func (n *Node) overdue(m ledger.Node, now time.Time) bool {
	until, _, _ := m.GoodUntil(now)
	n.mu.Lock()
	defer n.mu.Unlock()
	return !now.Before(until) && !now.Before(n.until[m.Node])
}

// credential is how this node's own fares.
func (n *Node) credential() api.Credential {
	now := n.ledger.Now()
	self, ok := n.ledger.Node(n.home.Node)
	if !ok {
		return api.Credential{}
	}
	ends, r, renewed := self.GoodUntil(now)
	out := api.Credential{Expires: &ends}
	life := self.Life
	if renewed {
		m, _ := n.ledger.Node(r.Issuer)
		out.RenewedBy, life = m.Name, r.Expires.Sub(r.Issued)
	}
	out.Due = now.After(ends.Add(-life / 3))
	out.Problem = n.renewalProblem()
	return out
}

// renewalProblem says why nobody renews credentials at this site; "" if somebody does.
func (n *Node) renewalProblem() string {
	now, leader := n.ledger.Now(), n.lease().Holder
	var may []string
	for _, is := range n.ledger.SiteConfig(n.home.Site).Issuers {
		m, known := n.ledger.Node(is.Node)
		if known && m.Site == n.home.Site && m.Quarantined == "" && now.Before(is.Expires) {
			if is.Node == leader {
				return ""
			}
			may = append(may, m.Name)
		}
	}
	slices.Sort(may)
	switch {
	case len(may) == 0:
		return "no node of this site may renew credentials"
	case leader.IsZero():
		return fmt.Sprintf("nobody leads the site; %s may renew credentials while leading it", strings.Join(may, ", "))
	}
	return fmt.Sprintf("%s leads the site and may not renew credentials; %s may", n.nameOf(leader), strings.Join(may, ", "))
}
