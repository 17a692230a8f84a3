package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/mesh"
	"selvage/node/api"
)

// guard has the node look at once whom to have nothing to do with, when a revocation comes.
func (n *Node) guard() {
	for {
		n.expel()
		select {
		case <-n.ctx.Done():
			return
		case <-n.revoked:
		}
	}
}

// urgent tells guard of a record that has been stored. It never blocks.
func (n *Node) urgent(r ledger.Record) {
	if !ledger.Overtakes(r.Feed) {
		return
	}
	select {
	case n.revoked <- struct{}{}:
	default: // it is about to look
	}
}

// expel has the mesh have nothing to do with revoked nodes, and with nobody if this one is.
func (n *Node) expel() {
	gone := n.revokedNodes()
	if slices.Contains(gone, n.home.Node) {
		n.mesh.Retire()
	}
	n.mesh.Shun(gone)
	n.cfg.Changed()
}

// revokedNodes returns the members that are revoked. Without any revocation it does not look at them.
func (n *Node) revokedNodes() (gone []ident.NodeID) {
	if len(n.ledger.Revocations()) == 0 {
		return nil
	}
	for _, m := range n.ledger.Nodes() {
		if m.Revoked {
			gone = append(gone, m.Node)
		}
	}
	return gone
}

// revokedSelf returns how this node was revoked; "" if it was not.
func (n *Node) revokedSelf() string {
	if m, ok := n.ledger.Node(n.home.Node); ok && m.Revoked {
		return m.Quarantined
	}
	return ""
}

// convince takes the proof that a peer has given for its refusal. What does not prove that this node was revoked is
// passed over: anybody can say so.
func (n *Node) convince(r *mesh.Refusal) {
	if _, err := n.ledger.Judge(ledger.KindRevocation, r.Proof); err != nil || n.revokedSelf() != "" {
		return
	}
	payload, err := payloadOf(r.Proof)
	if err != nil {
		return
	}
	if rev, err := ledger.DecodeRevocation(payload); err != nil || rev.Subject != ledger.SubjectNode || rev.ID != n.home.Node.String() {
		return
	}
	if _, err := n.feeds.publish(ledger.KindRevocation, "", n.home.Node.String(), r.Proof); err != nil {
		n.log.Error("node: cannot keep its revocation", "err", err)
	}
}

// refuseRevoked returns an error if this node was revoked, so that nobody thinks that what is published here spreads.
func (n *Node) refuseRevoked() error {
	if why := n.revokedSelf(); why != "" {
		return api.Refuse(fmt.Errorf("this node %s; what is published here reaches nobody", why), "work through another node")
	}
	return nil
}

// publishRevocation takes a signed revocation.
func (n *Node) publishRevocation(envelope, payload []byte) (string, error) {
	r, err := ledger.DecodeRevocation(payload)
	if err != nil {
		return "", api.Refuse(err, "")
	}
	if err := n.notSelf(r.ID); err != nil {
		return "", err
	}
	return n.publishStatement(ledger.KindRevocation, r.ID, envelope)
}

// notSelf refuses the revocation of this node: it would keep the news to itself.
func (n *Node) notSelf(id string) error {
	if id == n.home.Node.String() {
		return api.Refuse(errors.New("this node cannot revoke itself: nobody would hear of it"), "work through another node")
	}
	return nil
}

// Draft implements api.Backend.
func (n *Node) Draft(subject, id, site string) (api.Draft, error) {
	if err := n.refuseRevoked(); err != nil {
		return api.Draft{}, err
	}
	var name string
	var err error
	switch ledger.Subject(subject) {
	case ledger.SubjectNode:
		id, name, site, err = n.revocableNode(id, site)
	case ledger.SubjectKey:
		id, err = n.revocableKey(id)
	case ledger.SubjectInvite:
		id, site, err = n.revocableInvite(id, site)
	}
	if err != nil {
		return api.Draft{}, err
	}
	r, left, err := n.ledger.Draft(ledger.Subject(subject), id, site)
	if err != nil {
		return api.Draft{}, refuseDraft(err)
	}
	payload, err := json.Marshal(r)
	return api.Draft{Revocation: payload, Name: name, Left: left}, err
}

func refuseDraft(err error) error {
	switch {
	case errors.Is(err, ledger.ErrLastKey):
		return api.Refuse(err, "have the next charter name another key for the role first")
	case errors.Is(err, ledger.ErrKeepsTooMany):
		return api.Refuse(err, "revoke the nodes that are not to stay; the invite expires by itself")
	}
	return api.Refuse(err, "")
}

// revocableNode finds a node by its name, as NAME or SITE/NAME, or by the beginning of its ID.
func (n *Node) revocableNode(what, site string) (id, name, at string, err error) {
	var found []ledger.Node
	for _, m := range n.ledger.Nodes() {
		named := m.Name == what || m.Site+"/"+m.Name == what
		if named || begins(m.Node.String(), what) || begins(m.Node.Short(), what) {
			found = append(found, m)
		}
	}
	var could []string
	for _, m := range found {
		could = append(could, fmt.Sprintf("%s/%s (%s)", m.Site, m.Name, m.Node.Short()))
	}
	switch {
	case len(found) == 0:
		return "", "", "", api.NotFound(fmt.Sprintf("no node is called %q here", what), "'selvage get nodes' lists them")
	case len(found) > 1:
		return "", "", "", ambiguous(what, could)
	case found[0].Revoked:
		return "", "", "", api.Refuse(fmt.Errorf("%s is revoked already", found[0].Name), "")
	}
	m := found[0]
	if site == "" {
		site = m.Site
	}
	return m.Node.String(), m.Name, site, n.notSelf(m.Node.String())
}

// begins reports whether s begins with a prefix that is long enough to mean something.
func begins(s, prefix string) bool { return len(prefix) >= 4 && strings.HasPrefix(s, prefix) }

func ambiguous(what string, could []string) error {
	return api.Refuse(fmt.Errorf("%q could be %s", what, strings.Join(could, ", ")), "give more of the ID, or SITE/NAME for a node")
}

// revocableKey finds an operator's key by the beginning of its ID.
func (n *Node) revocableKey(what string) (string, error) {
	var found []string
	for _, k := range n.ledger.Keys() {
		if begins(k.ID, what) {
			found = append(found, k.ID)
		}
		if k.ID == what && k.Revoked {
			return "", api.Refuse(fmt.Errorf("key %.12s is revoked already", what), "")
		}
	}
	switch len(found) {
	case 0:
		return "", api.NotFound(fmt.Sprintf("no charter names a key %q", what), "'selvage get keys' lists them")
	case 1:
		return found[0], nil
	}
	return "", ambiguous(what, found)
}

// revocableInvite finds an invite by its serial; of one that somebody has joined with its beginning will do. One that
// nobody has joined with is not known to the ledger, and is revoked at whichever site it is for.
func (n *Node) revocableInvite(what, site string) (serial, at string, err error) {
	sites := map[string]string{}
	var found []string
	for _, m := range n.ledger.Nodes() {
		if _, seen := sites[m.Serial]; !seen && begins(m.Serial, what) {
			found = append(found, m.Serial)
		}
		sites[m.Serial] = m.Site
	}
	switch {
	case len(found) > 1:
		return "", "", ambiguous(what, found)
	case len(found) == 1:
		what = found[0]
	case len(what) != serialLength:
		return "", "", api.NotFound(fmt.Sprintf("nobody has joined with an invite %q", what),
			"give its whole serial, 32 hex digits, or the ticket; 'selvage invite -o json' prints both")
	}
	if site == "" {
		site = sites[what]
	}
	return what, site, nil
}

// serialLength is how many hex digits an invite's serial has.
const serialLength = 32

// Revocations implements api.Backend.
func (n *Node) Revocations() []api.Revocation {
	out := []api.Revocation{}
	for _, r := range n.ledger.Revocations() {
		item := api.Revocation{Subject: string(r.Subject), ID: r.ID, Site: r.Site, Reason: r.Reason, Declared: r.Declared,
			Keeps: len(r.Keeps), Statement: r.Digest, Signers: r.Signers}
		if id, err := ident.Parse(r.ID); err == nil && r.Subject == ledger.SubjectNode {
			m, _ := n.ledger.Node(id)
			item.Name = m.Name
		}
		out = append(out, item)
	}
	return out
}

// Keys implements api.Backend.
func (n *Node) Keys() []api.Key {
	out := []api.Key{}
	for _, k := range n.ledger.Keys() {
		item := api.Key{Key: k.ID, Roles: []string{}, Revoked: k.Revoked}
		for _, r := range k.Roles {
			item.Roles = append(item.Roles, string(r))
		}
		out = append(out, item)
	}
	return out
}
