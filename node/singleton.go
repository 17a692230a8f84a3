package node

import (
	"context"
	"fmt"

	"selvage/internal/mutant"
	"selvage/node/deploy"
	"selvage/node/lead"
	"selvage/node/runtime"
)

// tenure is the site's lease as this node's singletons see it.
type tenure struct{ n *Node }

var _ deploy.Lead = tenure{}

// Term implements runtime.Lease. What is over when Live is has LeaseGrace after it was told to end, at defaults, and a
// second more until another node may lead.
func (t tenure) Term() runtime.Term {
	set, now := t.n.cfg.Lease, t.n.lead.Term()
	if now.Left == 0 {
		return runtime.Term{} // Changed tells of what it comes to
	}
	term := runtime.Term{Epoch: now.Fence, Live: now.Left - set.Authority/10}
	if mutant.On(mutant.SingletonOutlivesTerm) {
		term.Live += set.Authority
	}
	if now.Go {
		term.Run = now.Left - lead.StopMargin(set)
	}
	return term
}

// Changed implements runtime.Lease.
func (t tenure) Changed() <-chan struct{} { return t.n.lead.Changed() }

// Standby implements deploy.Lead.
func (t tenure) Standby() string {
	if name := t.n.lease().Name; name != "" {
		return fmt.Sprintf("%s leads site %s", name, t.n.home.Site)
	}
	return "nobody leads site " + t.n.home.Site + " now"
}

// stopSingletons returns when none of this node runs any more: the lease can pass on. Term has stopped them. Of one that does not end
// a node that goes down leaves the end to its driver.
func (n *Node) stopSingletons(context.Context) { n.deployer.Cede(n.lead.Closing()) }
