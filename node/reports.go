package node

import (
	"slices"
	"strings"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/ledger"
)

// ownReport is what this node says of itself now.
func (n *Node) ownReport() report {
	r := report{Addrs: n.bareAddrs(), Held: n.mesh.Uplink().Held, Platform: n.cfg.Platform, Version: n.cfg.Version}
	for _, s := range n.deployer.Statuses() {
		r.Deployments = append(r.Deployments, reportedDeployment{
			Name: s.Name, Release: s.Release, Target: s.Target, Phase: string(s.Phase), Ready: s.Ready, Address: s.Address, Why: s.Why})
	}
	for _, o := range n.store.Objects() {
		if o.Complete() {
			r.Blobs = append(r.Blobs, o.Digest[:blobPrefixBytes])
		}
	}
	return r
}

func (n *Node) bareAddrs() []string {
	var out []string
	for _, a := range n.mesh.Addrs() {
		bare, _, _ := strings.Cut(a, "/p2p/")
		out = append(out, bare)
	}
	return out
}

func (r report) holds(d store.Digest) bool {
	return slices.ContainsFunc(r.Blobs, func(b []byte) bool { return string(b) == string(d[:blobPrefixBytes]) })
}

// decodedReport is a report that was read once; seq tells whether it is the newest still.
type decodedReport struct {
	seq uint64
	report
	ok bool
}

// decodedReport reads a report, or remembers that it did. A report that cannot be read is passed over.
func (n *Node) decodedReport(r ledger.Report) (report, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d, ok := n.decoded[r.Node]; ok && d.seq == r.Seq {
		return d.report, d.ok
	}
	rep, err := n.reports.decode(r.Body)
	n.decoded[r.Node] = decodedReport{r.Seq, rep, err == nil}
	return rep, err == nil
}

// learnReports tells the mesh where nodes say that they can be reached.
func (n *Node) learnReports() {
	for _, r := range n.ledger.Reports() {
		n.mu.Lock()
		known := n.decoded[r.Node].seq == r.Seq
		n.mu.Unlock()
		rep, ok := n.decodedReport(r)
		m, member := n.ledger.Node(r.Node)
		if !known && ok && member && r.Node != n.home.Node {
			n.mesh.LearnNode(r.Node, m.Site, rep.Addrs)
		}
	}
}

// seen is what this node knows of another at one moment.
type seen struct {
	ledger.Node
	report
	reported  ledger.Report // zero if it never reported
	reachable bool
}

// census looks at every member of the fleet.
func (n *Node) census() []seen {
	reports := map[ident.NodeID]ledger.Report{}
	for _, r := range n.ledger.Reports() {
		reports[r.Node] = r
	}
	alive := map[ident.NodeID]bool{n.home.Node: true}
	for _, id := range n.mates() {
		alive[id] = true
	}
	for _, p := range n.mesh.Peers() {
		alive[p.ID] = true
	}
	nodes := n.ledger.Nodes()
	fresh := n.cfg.Now().Add(-3 * refresh(len(nodes)))
	var out []seen
	for _, m := range nodes {
		s := seen{Node: m, reported: reports[m.Node]}
		if s.reported.Seq > 0 {
			s.report, _ = n.decodedReport(s.reported)
		}
		cutOff := s.Held && m.Site != n.home.Site || n.mesh.Uplink().Held && m.Site != n.home.Site
		s.reachable = alive[m.Node] || !cutOff && s.reported.Received.After(fresh)
		out = append(out, s)
	}
	return out
}
