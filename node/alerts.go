package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/mesh"
)

// dropFor is how long a peer that broke a rule is kept out.
const dropFor = 10 * time.Minute

// misbehaved drops a peer that broke a rule, and keeps its name for people.
func (n *Node) misbehaved(id ident.NodeID, reason string) {
	n.alert(fmt.Sprintf("%s was dropped: %s", n.nameOf(id), reason))
	// The caller may hold what dropping the peer waits for.
	n.wg.Go(func() { n.mesh.Drop(id, reason, dropFor) })
}

// failing names a peer that does not do what it should, and need not have lied.
func (n *Node) failing(id ident.NodeID, reason string) {
	n.alert(fmt.Sprintf("%s fails its peers: %s", n.nameOf(id), reason))
}

// refused tells a person why a peer was not let in, or did not let this node in. That an uplink is
// held is nobody's fault.
func (n *Node) refused(remote ident.NodeID, r *mesh.Refusal) {
	if r.Code == mesh.CodeHeld {
		return
	}
	text := fmt.Sprintf("%s was not let in: %s", n.nameOf(remote), r.Text)
	if r.ByRemote {
		text = fmt.Sprintf("%s does not let this node in: %s", n.nameOf(remote), r.Text)
		if r.Proof != nil {
			n.wg.Go(func() { n.convince(r) })
		}
	}
	n.alert(text)
}

// nameOf names a node for people.
func (n *Node) nameOf(id ident.NodeID) string {
	if m, ok := n.ledger.Node(id); ok {
		return fmt.Sprintf("%s (%s)", m.Name, id.Short())
	}
	return "node " + id.Short()
}

// called is a node's name, or else its ID in short.
func (n *Node) called(id ident.NodeID) string {
	m, _ := n.ledger.Node(id)
	return cmp.Or(m.Name, id.Short())
}

// What status shows of the past: this many alerts, none older.
const (
	maxAlerts = 16
	alertTime = time.Hour
)

// alert is what a person should know of.
type alert struct {
	text string
	at   time.Time // when it last came about
}

// alert notes what a person should know of. What comes about again and again is logged once.
func (n *Node) alert(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forgetAlerts()
	count := len(n.alerts)
	n.alerts = slices.DeleteFunc(n.alerts, func(a alert) bool { return a.text == text })
	if len(n.alerts) == count {
		n.log.Warn("node: " + text)
	}
	n.alerts = append(n.alerts, alert{text, time.Now()})
	n.alerts = n.alerts[max(0, len(n.alerts)-maxAlerts):]
}

// forgetAlerts drops those that are old. The caller holds mu.
func (n *Node) forgetAlerts() {
	n.alerts = slices.DeleteFunc(n.alerts, func(a alert) bool { return time.Since(a.at) > alertTime })
}
