package node

import (
	"fmt"
	"slices"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/manifest"
	"selvage/node/api"
	"selvage/node/rollout"
)

// seen is what this node knows of another at one moment.
type seen struct {
	ledger.Node
	report
	reachable bool
	lastSeen  time.Time // zero if never
}

// census looks at every member of the fleet, by site and name.
func (n *Node) census() []seen {
	reports := map[ident.NodeID]ledger.Report{}
	for _, r := range n.ledger.Reports() {
		reports[r.Node] = r
	}
	here, connected := n.present()
	now, nodes, held := n.cfg.Now(), n.ledger.Nodes(), n.uplinkSettings().UplinkHeld
	beacons := n.beacons()
	count := map[string][]heardBeacon{}
	for site, all := range beacons {
		count[site] = counting(all, now)
	}
	var out []seen
	for _, m := range nodes {
		s := seen{Node: m}
		var reported time.Time
		if r, ok := reports[m.Node]; ok {
			s.report, _ = n.decodedReport(r)
			s.lastSeen, reported = r.Received, n.heardAt(r.Received, now)
		}
		var seen time.Time
		if seen, s.reachable = signs(m.Node, count[m.Site], reported, now); !seen.Equal(reported) {
			s.lastSeen = seen
		}
		cutOff := (s.Held || held) && m.Site != n.home.Site
		s.reachable = s.reachable && !cutOff
		if here[m.Node] || connected[m.Node] && (s.reachable || len(beacons[m.Site]) == 0) {
			s.lastSeen, s.reachable = now, true
		}
		s.reachable = s.reachable && !s.Revoked
		out = append(out, s)
	}
	return out
}

// freshReport is how long a report shows that its node is alive, whatever beacons say: they are a
// little behind.
const freshReport = 15 * time.Second

// heardAt is when this node heard of something, as far as that says who is alive. What it heard before it came up has the time of who said
// it, whose clock may be ahead of this one's: that was no later than that.
func (n *Node) heardAt(received, now time.Time) time.Time {
	if !received.After(now) {
		return received
	}
	if n.upSince.Before(now) {
		return n.upSince
	}
	return now
}

// signs judges from a site's beacons that count, and from when a node's report came, when the node
// was last heard of, and whether it can be taken for reachable. What a beacon does not list is not
// alive, unless it has reported since.
func signs(id ident.NodeID, counting []heardBeacon, reported, now time.Time) (lastSeen time.Time, reachable bool) {
	lastSeen = reported
	denied := now.Sub(reported) > 3*minPace // without any beacon, a report is good for as long as the shortest
	for _, b := range counting {
		if b.lists(id) {
			reachable = true
			if b.received.After(lastSeen) {
				lastSeen = b.received
			}
		} else if b.received.After(reported) {
			denied = true
		}
	}
	return lastSeen, reachable || !reported.IsZero() && (!denied || now.Sub(reported) < freshReport)
}

// present are the nodes that this one knows to be up: itself and its live mates; and those that it is
// connected to, which may have gone three quarters of a minute ago: beacons know that earlier.
func (n *Node) present() (here, connected map[ident.NodeID]bool) {
	here, connected = map[ident.NodeID]bool{n.home.Node: true}, map[ident.NodeID]bool{}
	for _, id := range n.mates() {
		here[id] = true
	}
	for _, id := range n.mesh.Connected() {
		connected[id] = true
	}
	return here, connected
}

// Rollout implements api.Backend.
func (n *Node) Rollout(name string) (api.Rollout, error) {
	for _, d := range n.ledger.Deployments() {
		if d.Name != name {
			continue
		}
		spec, err := manifest.DecodeSpec(d.Spec)
		if err != nil {
			return api.Rollout{}, err
		}
		return tally(d, spec, n.census()), nil
	}
	return api.Rollout{}, api.NotFound("no deployment is called "+name+" here", "'selvage get deployments' lists them")
}

// tally counts how far a deployment has come over the nodes that it is meant for.
func tally(d ledger.DeploymentState, spec manifest.Spec, census []seen) api.Rollout {
	r := api.Rollout{Name: d.Name, Release: spec.Release, Singleton: spec.Singleton, Behind: []api.Behind{}, Unreachable: []api.Behind{}}
	for _, s := range census {
		if s.Quarantined != "" || !spec.Selector.Matches(s.Labels) {
			continue
		}
		r.Targets++
		runs := s.deployment(d.Name)
		switch {
		case runs.serves(d.Digest, spec.Release):
			r.Ready++
			if spec.Singleton {
				r.RunsOn = append(r.RunsOn, s.behind(runs, d.Digest))
			}
		case s.reachable && spec.Singleton && runs.standsBy(d.Digest):
			r.Standby = append(r.Standby, s.behind(runs, d.Digest))
		case s.reachable:
			r.Behind = append(r.Behind, s.behind(runs, d.Digest))
			if runs.Phase == string(rollout.Failed) && runs.Aim == prefix(d.Digest) {
				r.Failed++
			}
			if runs.waits(d.Digest) {
				r.Scheduled++
				r.OpensAt = sooner(r.OpensAt, runs.opensAt())
			}
		default:
			r.Unreachable = append(r.Unreachable, s.behind(runs, d.Digest))
		}
	}
	r.Behind = append(r.Behind, idle(r)...)
	r.Done = len(r.Behind) == 0
	return r
}

// idle are those who stand by in sites in which a singleton runs nowhere, though it should on one of them.
func idle(r api.Rollout) (out []api.Behind) {
	for _, s := range r.Standby {
		if !slices.ContainsFunc(r.RunsOn, func(on api.Behind) bool { return on.Site == s.Site }) {
			out = append(out, s)
		}
	}
	return out
}

// serves reports whether a release runs, healthy, as one statement has declared it.
func (d reportedDeployment) serves(statement, release string) bool {
	return d.Ready && d.Release == release && d.Statement == prefix(statement)
}

// standsBy reports whether a node keeps a singleton ready, as one statement has declared it.
func (d reportedDeployment) standsBy(statement string) bool {
	return d.Phase == string(rollout.Standby) && d.Aim == prefix(statement)
}

// waits reports whether a node has what one statement has declared, and waits for its time.
func (d reportedDeployment) waits(statement string) bool {
	return d.Phase == string(rollout.Scheduled) && d.Aim == prefix(statement)
}

// sooner returns the earlier of two times, either of which may not be known.
func sooner(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

func (s seen) behind(runs reportedDeployment, statement string) api.Behind {
	b := api.Behind{Node: s.Node.Node, Name: s.Name, Site: s.Site, Release: runs.Release, Phase: runs.Phase, Why: runs.Why, LastSeen: s.lastSeen, OpensAt: runs.opensAt()}
	switch {
	case runs.Phase == "":
		b.Phase, b.Why = "unknown", s.silence()
	case runs.Aim != "" && runs.Aim != prefix(statement):
		b.Why, b.OpensAt = "it has not taken up the newest declaration yet", nil
	}
	return b
}

// silence says why nothing is known of a deployment that a node is meant to run.
func (r report) silence() string {
	if r.LeftOut > 0 {
		return fmt.Sprintf("its report has no room for %d of its deployments", r.LeftOut)
	}
	return "it has not reported on this deployment yet"
}
