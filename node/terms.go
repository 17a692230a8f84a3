package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/node/api"
	"selvage/node/lead"
)

// termsKey is the key of a node's record of its terms in the ledger: a register entry of the site's scope.
const termsKey = "terms"

const (
	maxTerms      = 32      // of its own that a node keeps a record of: the latest
	maxTermsBytes = 4 << 10 // of a record; a term has 75 at most
)

// terms are the latest terms in which its author led the site, the earliest first: the body of a register entry of kind Terms, deterministic CBOR.
//
//	[[began, epoch, config, voters, before, before's epoch, how it ended]...]
//
// began is unix milliseconds by the author's clock; epoch the lease's first token as one number; config the epoch of the voters, of whom there were
// so many; before the node whose lease the author has seen end before, 32 bytes or none, with the last token of that; it ended because it ran out (0) or was given up (1).
type terms []term

type term struct {
	_       struct{} `cbor:",toarray"`
	Began   int64
	Epoch   uint64
	Config  uint64
	Voters  uint8
	Before  []byte
	Last    uint64
	Yielded uint8
}

func newTerms() (body[terms], error) {
	return newBody("terms", maxTermsBytes, maxTerms, terms.right)
}

// right says what there is in a record that no node writes.
func (all terms) right() error {
	for i, t := range all {
		switch {
		case len(t.Before) != 0 && len(t.Before) != len(ident.NodeID{}), t.Yielded > 1:
			return fmt.Errorf("term %d follows %d bytes, which ended by %d", t.Epoch, len(t.Before), t.Yielded)
		case t.Began < 0 || t.Began > lastTime.UnixMilli():
			return fmt.Errorf("term %d began at %d, which is no time", t.Epoch, t.Began)
		case i > 0 && t.Epoch <= all[i-1].Epoch:
			return fmt.Errorf("%d after %d", t.Epoch, all[i-1].Epoch)
		}
	}
	return nil
}

// recordTerm adds a term that has begun to this node's record. It does not wait while the node is held.
func (n *Node) recordTerm(b lead.Begun) error {
	if n.hold.held() {
		return errHeld
	}
	began := n.cfg.Now().Add(b.At - n.lead.Now()).UnixMilli()
	next := term{Began: min(max(began, 0), lastTime.UnixMilli()), Epoch: b.Fence, Config: b.Config.Epoch, Voters: uint8(len(b.Config.Voters)), Before: []byte{}}
	if !b.Before.Holder.IsZero() {
		next.Before, next.Last = b.Before.Holder[:], b.Before.Fence
		if b.Before.Yielded {
			next.Yielded = 1
		}
	}
	var own terms
	for _, r := range n.ledger.TermsOf(n.home.Site) {
		if r.Node == n.home.Node {
			own, _ = n.termsBody.decode(r.Body) // what cannot be read is replaced
		}
	}
	own = append(slices.DeleteFunc(own, func(t term) bool { return t.Epoch >= next.Epoch }), next)
	body, err := n.termsBody.encode(own[max(0, len(own)-maxTerms):])
	if err == nil {
		_, err = n.feeds.publish(ledger.KindTerms, n.home.Site, termsKey, body)
	}
	return err
}

// Terms implements api.Backend: the latest terms of each node of the site, the latest first.
func (n *Node) Terms() []api.Term {
	out := []api.Term{}
	for _, r := range n.ledger.TermsOf(n.home.Site) {
		all, err := n.termsBody.decode(r.Body)
		if err != nil {
			continue // a newer version's, or no node's of ours
		}
		for _, t := range all {
			item := api.Term{Site: n.home.Site, Holder: r.Node, Name: n.called(r.Node), Epoch: t.Epoch, Began: time.UnixMilli(t.Began).UTC(), Version: t.Config, Voters: int(t.Voters)}
			if len(t.Before) > 0 {
				id := ident.NodeID(t.Before)
				item.Before = &api.TermBefore{Holder: id, Name: n.called(id), Epoch: t.Last, Ended: api.TermExpired}
				if t.Yielded == 1 {
					item.Before.Ended = api.TermYielded
				}
			}
			out = append(out, item)
		}
	}
	slices.SortFunc(out, func(a, b api.Term) int { return cmp.Or(cmp.Compare(b.Epoch, a.Epoch), a.Holder.Compare(b.Holder)) })
	return out
}
