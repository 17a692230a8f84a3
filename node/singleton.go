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
	l, set := t.n.lead, t.n.cfg.Lease
	epoch, leads := l.Fence()
	_, may := l.Term()
	left := l.Until()
	if again, still := l.Fence(); !leads || !still || again != epoch {
		return runtime.Term{} // Changed tells of what it has come to
	}
	term := runtime.Term{Epoch: epoch, Live: left - set.Authority/10}
	if mutant.On(mutant.SingletonOutlivesTerm) {
		term.Live += set.Authority
	}
	if may {
		term.Run = left - lead.StopMargin(set)
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

// stopSingletons returns when none of this node runs any more: the lease can pass on. Term has stopped them.
func (n *Node) stopSingletons(context.Context) { n.deployer.Cede() }
