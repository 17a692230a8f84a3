package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/mesh"
)

// gate decides who is let in, by the charter and the ledger. It implements mesh.Gate.
type gate struct{ n *Node }

var _ mesh.Gate = (*gate)(nil)

// Hello shows this node's credential.
func (g *gate) Hello() mesh.Hello {
	h := g.n.home
	root := g.n.ledger.Root([]string{""})
	hello := mesh.Hello{Fleet: h.Fleet[:], Credential: g.n.ownCredential(), Protocols: []string{"selvage/1"}, Digest: root[:]}
	if c := g.n.ledger.Chain(); c != nil {
		hello.Charter = c.Latest().Version
	}
	return hello
}

// Charters implements mesh.Gate.
func (g *gate) Charters(after uint64) [][]byte {
	c := g.n.ledger.Chain()
	if c == nil || after >= uint64(len(c.Envelopes())) {
		return nil
	}
	var out [][]byte
	for _, e := range c.Envelopes()[after:] {
		data, err := json.Marshal(e)
		if err != nil { // an envelope is strings
			panic(err)
		}
		out = append(out, data)
	}
	return out
}

// Learn implements mesh.Gate: the charters follow those that are known here, or are some of them, as
// another peer may have shown them since this node said what it lacks.
func (g *gate) Learn(charters [][]byte) error {
	var all []trust.Envelope
	if c := g.n.ledger.Chain(); c != nil {
		all = append(all, c.Envelopes()...)
	}
	for _, data := range charters {
		var e trust.Envelope
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("charter: %w", err)
		}
		if slices.ContainsFunc(all, func(known trust.Envelope) bool { return known.Payload == e.Payload }) {
			continue
		}
		all = append(all, e)
	}
	if err := g.n.feeds.learn(all); err != nil {
		return err
	}
	return g.n.admitSelf()
}

// Judge implements mesh.Gate.
func (g *gate) Judge(remote ident.NodeID, h mesh.Hello) (mesh.Peer, error) {
	n := g.n
	if string(h.Fleet) != string(n.home.Fleet[:]) {
		return mesh.Peer{}, &mesh.Refusal{Code: mesh.CodeFleet, Text: fmt.Sprintf("this node is of fleet %.12s, not of yours", n.home.Fleet)}
	}
	if n.ledger.Chain() == nil {
		return mesh.Peer{}, &mesh.Refusal{Code: mesh.CodeOther, Text: "this node does not know the fleet's charter yet"}
	}
	m, err := n.judgeCredential(remote, h.Credential)
	if err != nil {
		r := &mesh.Refusal{Code: mesh.CodeCredential, Text: err.Error()}
		if revoked := (*ledger.RevokedError)(nil); errors.As(err, &revoked) {
			r.Proof = revoked.Envelope
		}
		return mesh.Peer{}, r
	}
	n.shown(remote, m.Expires)
	return mesh.Peer{ID: remote, Name: m.Name, Site: m.Site}, nil
}

// judgeCredential checks whose credential a peer has shown, and has the ledger judge it.
func (n *Node) judgeCredential(remote ident.NodeID, data []byte) (trust.Member, error) {
	cred, err := trust.ParseCredential(data)
	if err != nil {
		return trust.Member{}, err
	}
	if cred.Node() != remote {
		return trust.Member{}, errors.New("credential is of another node")
	}
	return n.ledger.Admit(cred, n.ledger.Now())
}
