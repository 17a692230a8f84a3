package node

import (
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
)

// heraldEvery is how often a node looks at its site's beacons though its members stay the same: one
// of another part of the site may have ended this node's.
const heraldEvery = 5 * time.Second

// beacons reads the newest beacons of all sites; within a site they are in the order of authors.
func (n *Node) beacons() map[string][]heardBeacon {
	out := map[string][]heardBeacon{}
	now := n.cfg.Now()
	for _, r := range n.ledger.Beacons() {
		if m, known := n.ledger.Node(r.Node); known {
			r.Received = n.heardAt(r.Received, now)
			out[m.Site] = n.appendBeacon(out[m.Site], r)
		}
	}
	return out
}

// appendBeacon appends a beacon that can be read; others are passed over.
func (n *Node) appendBeacon(to []heardBeacon, r ledger.Report) []heardBeacon {
	if b, ok := n.decodedBeacon(r); ok {
		to = append(to, heardBeacon{r.Node, r.Seq, r.Received, b})
	}
	return to
}

// decodedBeacon reads a beacon, or remembers that it did. A beacon that cannot be read is passed over.
func (n *Node) decodedBeacon(r ledger.Report) (beacon, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.heard.read(n.beaconBody, r)
}

// siteView is what this node sees of its site now.
func (n *Node) siteView() siteView {
	v := siteView{now: n.cfg.Now(), pace: beaconPace(n.ledger.Sites()), leader: n.lease().Holder}
	for _, r := range n.ledger.BeaconsOf(n.home.Site) {
		v.beacons = n.appendBeacon(v.beacons, r)
	}
	here := map[ident.NodeID]bool{n.home.Node: true}
	for _, id := range n.mates() {
		here[id] = true
	}
	for _, m := range n.ledger.NodesOf(n.home.Site) {
		if m.Quarantined == "" && here[m.Node] {
			v.alive = append(v.alive, m.Node)
		}
	}
	return v
}

// announce publishes the site's beacon when it is this node's turn.
func (n *Node) announce() {
	h := newHerald(n.home.Node, n.cfg.Now())
	for {
		changed := n.members.Changed()
		wait := heraldEvery
		if m, ok := n.ledger.Node(n.home.Node); ok && m.Quarantined == "" {
			b, due := h.step(n.siteView())
			wait = min(wait, due)
			if b != nil {
				n.publishBeacon(*b)
			}
		}
		t := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-n.ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-changed:
			t.Stop()
		}
	}
}

// publishBeacon publishes what the herald says, with the token of the lease if this node leads at this moment.
func (n *Node) publishBeacon(b beacon) {
	if fence, leads := n.lead.Fence(); leads {
		b.Epoch = fence
	}
	body, err := n.beaconBody.encode(b)
	if err == nil {
		_, err = n.feeds.publish(ledger.KindBeacon, "", "site", body)
	}
	if err != nil {
		n.log.Debug("node: cannot publish the site's beacon", "err", err)
	}
}
