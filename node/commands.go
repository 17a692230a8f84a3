package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"selvage/distribute/store"
	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

var errNoCharter = errors.New("this node does not know its fleet's charter yet")

// AddBlob implements api.Backend.
func (n *Node) AddBlob(ctx context.Context, r io.Reader) (api.Added, error) {
	o, err := n.store.Add(ctx, r)
	if err != nil {
		return api.Added{}, explainStorage(err)
	}
	if err := n.keepAdded(o.Digest); err != nil {
		return api.Added{}, explainStorage(err)
	}
	n.swarm.Tell(o.Digest)
	n.poke()
	return api.Added{Digest: o.Digest.String(), Size: o.Size, Root: o.Root.String(), Chunks: len(o.Chunks())}, nil
}

// explainStorage says what to do about a full disk.
func explainStorage(err error) error {
	if errors.Is(err, disk.ErrFull) {
		return &api.Error{Code: http.StatusInsufficientStorage, Text: err.Error(), Hint: "make room on the disk of the state directory, and try again; nothing was lost"}
	}
	return err
}

// Publish implements api.Backend: a statement that counts is put into the ledger; one that does
// not is refused, as no node would follow it.
func (n *Node) Publish(kind string, envelope []byte) (string, error) {
	if n.ledger.Chain() == nil {
		return "", notAdmitted(errNoCharter)
	}
	if err := n.refuseRevoked(); err != nil {
		return "", err
	}
	payload, err := payloadOf(envelope)
	if err != nil {
		return "", api.Refuse(err, "")
	}
	switch kind {
	case api.KindRelease:
		return n.publishRelease(envelope, payload)
	case api.KindDeployment:
		return n.publishDeployment(envelope, payload)
	case api.KindCharter:
		return n.publishCharter(envelope)
	case api.KindRevocation:
		return n.publishRevocation(envelope, payload)
	case api.KindSite:
		return n.publishSite(envelope, payload)
	}
	return "", api.Refuse(fmt.Errorf("%q is no kind of statement", kind), "")
}

// payloadOf decodes an envelope, and says nothing of who signed it.
func payloadOf(envelope []byte) ([]byte, error) {
	var env trust.Envelope
	if err := json.Unmarshal(envelope, &env); err != nil {
		return nil, fmt.Errorf("decode envelope: %w", err)
	}
	payload, err := env.DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("decode envelope: %w", err)
	}
	return payload, nil
}

func (n *Node) publishRelease(envelope, payload []byte) (string, error) {
	r, err := ledger.DecodeRelease(payload)
	if err != nil {
		return "", api.Refuse(err, "")
	}
	if err := n.sameAsKnown(r); err != nil {
		return "", err
	}
	if old, ok := n.ledger.Release(r.Ref()); ok {
		return old.Digest, nil // seeded again, with the same bytes
	}
	return n.publishStatement(ledger.KindRelease, r.Ref(), envelope)
}

// sameAsKnown refuses a release that stands for other bytes than the one of its name and version that is known.
func (n *Node) sameAsKnown(r ledger.Release) error {
	old, ok := n.ledger.Release(r.Ref())
	if !ok || old.Type == r.Type && slices.EqualFunc(old.Artifacts, r.Artifacts, ledger.Artifact.Same) {
		return nil
	}
	return api.Refuse(fmt.Errorf("release %s exists already, with other contents", r.Ref()), "a version stands for the same bytes for good: choose another")
}

func (n *Node) publishDeployment(envelope, payload []byte) (string, error) {
	d, err := ledger.DecodeDeployment(payload)
	if err != nil {
		return "", api.Refuse(err, "")
	}
	return n.publishStatement(ledger.KindDeployment, d.Name, envelope)
}

// publishCharter takes the charter that follows the newest which this node knows.
func (n *Node) publishCharter(envelope []byte) (string, error) {
	var env trust.Envelope
	if err := json.Unmarshal(envelope, &env); err != nil {
		return "", api.Refuse(fmt.Errorf("decode envelope: %w", err), "")
	}
	digest, err := ledger.Digest(env)
	if err != nil {
		return "", api.Refuse(err, "")
	}
	last := n.ledger.Chain()
	switch _, err := last.Extend(env); {
	case errors.Is(err, trust.ErrOldCharter):
		return "", api.Refuse(fmt.Errorf("charter: %w", err), fmt.Sprintf("amend the one in force, which is version %d", last.Latest().Version))
	case err != nil:
		return "", refuseSigners(fmt.Errorf("charter: %w", err))
	}
	if _, err := n.feeds.publish(ledger.KindCharter, "", "", envelope); err != nil {
		return "", explainPublish(err)
	}
	return digest, nil
}

func (n *Node) publishStatement(kind ledger.Kind, key string, envelope []byte) (string, error) {
	digest, err := n.ledger.Judge(kind, envelope)
	if err != nil {
		return "", refuseSigners(fmt.Errorf("%s %s: %w", kind, key, err))
	}
	if _, err := n.feeds.publish(kind, "", key, envelope); err != nil {
		return "", explainPublish(err)
	}
	return digest, nil
}

// explainPublish says what to do when this node cannot write into the ledger.
func explainPublish(err error) error {
	switch {
	case errors.Is(err, ledger.ErrNotMember):
		return notAdmitted(err)
	case errors.Is(err, ledger.ErrForked):
		return api.Refuse(err, "work through another node, and let this one join anew, with a new ticket")
	case errors.Is(err, ledger.ErrBehind):
		return api.Refuse(err, "it catches up with what it wrote before; try again in a while, or work through another node")
	case errors.Is(err, ledger.ErrFull):
		return api.Refuse(err, "work through another node")
	}
	return explainStorage(err)
}

// refuseSigners says what to do about a statement that is not signed by those who may.
func refuseSigners(err error) error {
	switch {
	case errors.Is(err, trust.ErrRole):
		return api.Refuse(err, "sign with a key to which the charter gives that role over this name (--key)")
	case errors.Is(err, trust.ErrThreshold):
		return api.Refuse(err, "give --key once for each operator who has to sign")
	}
	return api.Refuse(err, "")
}

// CheckInvite implements api.Backend.
func (n *Node) CheckInvite(envelope []byte) error {
	chain := n.ledger.Chain()
	if chain == nil {
		return notAdmitted(errNoCharter)
	}
	if err := n.refuseRevoked(); err != nil {
		return err
	}
	var env trust.Envelope
	if err := json.Unmarshal(envelope, &env); err != nil {
		return api.Refuse(fmt.Errorf("decode invite: %w", err), "")
	}
	inv, err := trust.Ticket{Invite: env}.Peek()
	if err != nil {
		return api.Refuse(err, "")
	}
	if _, _, err := chain.Latest().Verify(env, trust.TypeInvite, trust.RoleAdmit, "site:"+inv.Site); err != nil {
		return refuseSigners(fmt.Errorf("invite to site %s: %w", inv.Site, err))
	}
	return nil
}

func notAdmitted(err error) error {
	return api.Refuse(err, "it has to reach a node of its fleet once; 'selvage status' says what keeps it")
}

// Holders implements api.Backend: connected peers are asked, and who may have more than it can report; of the others, what they
// have reported counts.
func (n *Node) Holders(ctx context.Context, release, platform string) ([]api.Holder, error) {
	r, ok := n.ledger.Release(release)
	if !ok {
		return nil, api.NotFound("no release is called "+release+" here", "'selvage get releases' lists them")
	}
	if platform == "" {
		platform = n.cfg.Platform
	}
	a, ok := r.For(platform)
	if !ok {
		return nil, api.NotFound(fmt.Sprintf("release %s has nothing for %s", release, platform), "name another with --platform")
	}
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return nil, err
	}
	return n.holders(ctx, d, a.Size), nil
}

func (n *Node) holders(ctx context.Context, d store.Digest, size int64) []api.Holder {
	known := map[ident.NodeID]bool{}
	out := []api.Holder{}
	add := func(id ident.NodeID, have int64, complete bool, source string) {
		if known[id] || have == 0 && !complete {
			return
		}
		known[id] = true
		m, _ := n.ledger.Node(id)
		out = append(out, api.Holder{Node: id, Name: m.Name, Site: m.Site, HaveBytes: have, Complete: complete, Source: source})
	}
	if o, ok := n.store.Object(d); ok {
		i := o.Info()
		add(n.home.Node, i.Have, i.Complete, "asked")
	}
	said, may := n.likely(d)
	for _, h := range n.swarm.WhoHas(ctx, d, may...) {
		add(h.ID, h.Have, h.Complete, "asked")
	}
	for _, id := range said {
		add(id, size, true, "reported")
	}
	return out
}
