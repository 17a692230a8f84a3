package node

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/node/deploy"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// reviewEvery is how often peers are judged anew though nothing has changed but the time.
const reviewEvery = time.Minute

// reconcile carries what the ledger wants to the deployer, whenever it changes.
func (n *Node) reconcile() {
	told := map[ident.NodeID]uint64{}
	tick := time.NewTicker(reviewEvery)
	defer tick.Stop()
	for {
		changed := n.ledger.Changed()
		if err := n.admitSelf(); err != nil {
			n.log.Error("node: cannot publish its admission", "err", err)
		}
		n.deployer.Set(n.desired())
		n.learnReports(told)
		n.review()
		select {
		case <-n.ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// review drops the peers that would not be let in any more: the gate judges at the door only.
func (n *Node) review() {
	now := n.ledger.Now()
	for _, p := range n.mesh.Peers() {
		m, known := n.ledger.Node(p.ID)
		switch {
		case known && m.Quarantined != "":
			n.misbehaved(p.ID, "it "+m.Quarantined)
		case known && !now.Before(m.Expires):
			n.misbehaved(p.ID, "its credential has expired")
		}
	}
}

// desired says what each deployment in the ledger means for this node.
func (n *Node) desired() []deploy.Desired {
	self, ok := n.ledger.Node(n.home.Node)
	if !ok {
		return nil // not admitted yet: it does not know its labels
	}
	releases := map[string]ledger.SignedRelease{}
	for _, r := range n.ledger.Releases() {
		releases[r.Ref()] = r
	}
	var out []deploy.Desired
	for _, d := range n.ledger.Deployments() {
		out = append(out, n.desire(d, self, releases))
	}
	return out
}

func (n *Node) desire(d ledger.DeploymentState, self ledger.Node, releases map[string]ledger.SignedRelease) deploy.Desired {
	want := deploy.Desired{Name: d.Name}
	spec, err := manifest.DecodeSpec(d.Spec)
	if err != nil {
		want.Selected, want.Problem = true, fmt.Sprintf("this version of selvage cannot read the deployment: %v", err)
		return want
	}
	want.Selected = spec.Selector.Matches(self.Labels)
	r, ok := releases[spec.Release]
	if !ok {
		want.Problem = fmt.Sprintf("release %s is not known here yet", spec.Release)
		return want
	}
	a, ok := r.For(n.cfg.Platform)
	if !ok {
		want.Problem = fmt.Sprintf("release %s has nothing for %s", spec.Release, n.cfg.Platform)
		return want
	}
	want.Target = &deploy.Version{
		ID: rollout.ID(d.Digest + "/" + r.Digest), Release: spec.Release, Type: r.Type, Spec: spec.Defaulted(),
		Artifact: deploy.Artifact{Digest: a.Digest, Size: a.Size, Root: a.Root, File: a.File},
	}
	return want
}

// blobs is where the deployer gets artifacts: from the store, by way of the swarm.
type blobs struct{ n *Node }

var _ deploy.Blobs = blobs{}

// Have implements deploy.Blobs.
func (b blobs) Have(a deploy.Artifact) bool {
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return false
	}
	o, ok := b.n.store.Object(d)
	return ok && o.Complete()
}

// Fetch implements deploy.Blobs.
func (b blobs) Fetch(ctx context.Context, a deploy.Artifact) error {
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return err
	}
	root, err := cid.Decode(a.Root)
	if err != nil {
		return fmt.Errorf("root of %s: %w", a.Digest, err)
	}
	return b.n.swarm.Fetch(ctx, store.Want{Digest: d, Size: a.Size, Root: root})
}

// Open implements deploy.Blobs.
func (b blobs) Open(a deploy.Artifact) (runtime.BlobReader, error) {
	d, err := store.ParseDigest(a.Digest)
	if err != nil {
		return nil, err
	}
	return b.n.store.OpenBlob(d)
}

// providers returns the nodes whose reports say that they have a blob, those of the site first.
func (n *Node) providers(d store.Digest) []ident.NodeID {
	var near, far []ident.NodeID
	for _, r := range n.ledger.Reports() {
		rep, ok := n.decodedReport(r)
		if !ok || r.Node == n.home.Node || !rep.holds(d) {
			continue
		}
		if m, ok := n.ledger.Node(r.Node); ok && m.Site == n.home.Site {
			near = append(near, r.Node)
		} else {
			far = append(far, r.Node)
		}
	}
	return append(near, far...)
}

// Pace of reports.
const (
	reportSettle = 200 * time.Millisecond // so that a burst of changes is one report
	minRefresh   = 10 * time.Second
	maxRefresh   = 10 * time.Minute
)

// refresh is how often a node reports though nothing has changed: rarer in larger fleets, so that
// the traffic of all reports stays the same.
func refresh(nodes int) time.Duration {
	return min(max(minRefresh, time.Duration(nodes)*time.Second), maxRefresh)
}

// report publishes what this node has to say of itself, when that changes, and now and then.
func (n *Node) report() {
	var last string
	var at time.Time
	for {
		due := refresh(len(n.ledger.Nodes())) - time.Since(at)
		body, err := n.reports.encode(n.ownReport())
		if err == nil && (string(body) != last || due <= 0) {
			if err = n.publishReport(body); err == nil {
				last, at = string(body), time.Now()
				due = minRefresh
			}
		}
		if err != nil {
			n.log.Debug("node: cannot report", "err", err)
			due = time.Second
		}
		if !n.pause(max(due, time.Millisecond)) {
			return
		}
	}
}

func (n *Node) publishReport(body []byte) error {
	_, err := n.feeds.publish(ledger.KindReport, "", "report", body)
	return err
}

// pause waits for news, or at most d; it reports whether the node is still up.
func (n *Node) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.ctx.Done():
		return false
	case <-t.C:
		return true
	case <-n.news:
	}
	settle := time.NewTimer(reportSettle)
	defer settle.Stop()
	select {
	case <-n.ctx.Done():
		return false
	case <-settle.C:
	}
	return true
}
