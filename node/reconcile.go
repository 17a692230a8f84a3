package node

import (
	"fmt"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/node/deploy"
	"selvage/node/rollout"
)

// reviewEvery is how often peers are judged anew though nothing has changed but the time.
const reviewEvery = time.Minute

// How long a node waits between two looks at what the ledger wants: in a flood of changes, as when a large
// fleet starts, it would do nothing else.
const (
	followGap   = 100 * time.Millisecond
	followShare = 3 * time.Millisecond // as much more for each node of the fleet: a look takes all of them in
)

// Of the time for which a link across the site's edge rests after it has carried entries (gossip.Config).
const (
	restless  = 20                   // nodes of a fleet that has no need of it
	restShare = 3 * time.Millisecond // for each further one
)

// rest is how long links rest in a fleet of this size.
func (n *Node) rest() time.Duration {
	return time.Duration(max(0, n.fleet.Load()-restless)) * restShare
}

// reconcile carries what the ledger wants to the deployer, whenever it changes.
func (n *Node) reconcile() {
	told := map[ident.NodeID]uint64{}
	tick := time.NewTicker(reviewEvery)
	defer tick.Stop()
	var done uint64
	var site string // what operators wanted of the site
	for first, again := true, false; ; first = false {
		changed, revision := n.ledger.Changed(), n.ledger.Revision()
		n.cfg.Changed()
		if first || again || revision != done {
			n.follow(told)
			n.noteSite(&site)
			done = revision
			fleet := n.ledger.Size()
			n.fleet.Store(int64(fleet))
			if !sleep(n.ctx, followGap+time.Duration(fleet)*followShare) {
				return
			}
		}
		again = false
		select {
		case <-n.ctx.Done():
			return
		case <-changed:
		case <-tick.C:
			again = true
		}
	}
}

// follow does what the ledger wants now; told is what learnReports has told of.
func (n *Node) follow(told map[ident.NodeID]uint64) {
	if err := n.admitSelf(); err != nil {
		n.log.Error("node: cannot publish its admission", "err", err)
	}
	n.expel()
	if all, ok := n.desired(); ok {
		n.deployer.Set(all)
	}
	n.learnReports(told)
	n.votes.Serve(n.witnessed())
	n.review()
}

// review drops the peers that would not be let in any more: the gate judges at the door only.
func (n *Node) review() {
	now := n.ledger.Now()
	for _, id := range n.mesh.Connected() {
		m, known := n.ledger.Node(id)
		switch {
		case known && m.Revoked: // expel has seen to it
		case known && m.Quarantined != "":
			n.misbehaved(id, "it "+m.Quarantined)
		case known && n.overdue(m, now):
			n.misbehaved(id, "its credential has expired")
		}
	}
}

// desired says what each deployment in the ledger means for this node; false if that cannot be told, as it is not admitted yet and does not
// know its labels.
func (n *Node) desired() (out []deploy.Desired, ok bool) {
	self, ok := n.ledger.Node(n.home.Node)
	if !ok {
		return nil, false
	}
	releases := map[string]ledger.SignedRelease{}
	for _, r := range n.ledger.Releases() {
		releases[r.Ref()] = r
	}
	n.noteUrgent(releases)
	for _, d := range n.ledger.Deployments() {
		out = append(out, n.desire(d, self, releases))
	}
	return out, true
}

// clock is the time at least, and whether it is the time: a clock that shows less than operators have signed is wrong.
func (n *Node) clock() (now time.Time, sure bool) {
	now = n.ledger.Now()
	return now, !n.cfg.Now().Before(now)
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
