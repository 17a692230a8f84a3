package node

import (
	"slices"
	"strings"
	"time"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/node/api"
)

// ownReport is what this node says of itself now.
func (n *Node) ownReport() report {
	r := report{Addrs: n.bareAddrs(), Held: n.uplinkSettings().UplinkHeld, Platform: n.cfg.Platform, Version: n.cfg.Version}
	for _, s := range n.deployer.Statuses() {
		r.Deployments = append(r.Deployments, reportedDeployment{
			Name: s.Name, Release: s.Release, Target: s.Target, Phase: string(s.Phase), Ready: s.Ready, Address: s.Address, Why: s.Why,
			Statement: prefix(string(s.Version)), Aim: prefix(string(s.Aim)), Opens: opensStamp(s.Opens)})
	}
	r.Blobs = n.namedBlobs()
	return r
}

// prefix cuts a statement's digest, or what begins with it, to what a report holds.
func prefix(digest string) string { return digest[:min(len(digest), statementPrefix)] }

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

// crowded reports whether its node may have more blobs than it names.
func (r report) crowded() bool { return len(r.Blobs) >= maxReportItems }

// decodedReport reads a report, or remembers that it did. A report that cannot be read is passed over.
func (n *Node) decodedReport(r ledger.Report) (report, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.decoded.read(n.reports, r)
}

// learnReports tells the mesh where nodes say that they can be reached; told has the reports that
// it was told of.
func (n *Node) learnReports(told map[ident.NodeID]uint64) {
	for _, r := range n.ledger.Reports() {
		if told[r.Node] == r.Seq || r.Node == n.home.Node {
			continue
		}
		told[r.Node] = r.Seq
		rep, ok := n.decodedReport(r)
		if m, member := n.ledger.Node(r.Node); ok && member {
			n.mesh.LearnNode(r.Node, m.Site, rep.Addrs)
		}
	}
}

// running is the report's deployments as the API shows them.
func (r report) running() []api.Running {
	out := []api.Running{}
	for _, d := range r.Deployments {
		out = append(out, d.running())
	}
	return out
}

// Pace of reports.
const (
	reportSettle = 200 * time.Millisecond // so that a burst of changes is one report
	reportShare  = 3 * time.Millisecond   // as much more for each node of the fleet: all of them read it
	reportEvery  = 10 * time.Second       // how often a node looks whether it has something to report
	// That a version is on its way is kept back for so long for each node of a fleet that is not small, and at most: most often it
	// runs soon, and then that is all there is to say.
	passingShare, mostPassing = 20 * time.Millisecond, 20 * time.Second
)

// report publishes what this node has to say of itself, when that changes. That it is there still is
// for its site's beacon to say.
func (n *Node) report() {
	var last said
	for {
		next := reportEvery
		now, body, err := n.ownReport().fit(n.reports)
		if wait := last.wait(now, string(body), n.passing(), time.Now()); err == nil && wait > 0 {
			next = min(next, wait)
		} else if err == nil && string(body) != last.body {
			if err = n.publishReport(body); err == nil {
				last = said{body: string(body), report: now}
			}
		}
		if err != nil {
			n.log.Debug("node: cannot report", "err", err)
			next = time.Second
		}
		if !n.pause(next) {
			return
		}
	}
}

// said is what a node has reported.
type said struct {
	body   string // "": nothing
	report report
	since  time.Time // since when there is more to report; zero: there is not
}

// wait returns how long what there is to report now is better not reported, as it may soon be overtaken: most is how long
// steps on the way to a version may be kept back. Anything else is reported at once.
func (s *said) wait(now report, body string, most time.Duration, at time.Time) time.Duration {
	if body == s.body {
		s.since = time.Time{}
		return 0
	}
	if s.since.IsZero() {
		s.since = at
	}
	if s.body == "" || !now.passing(s.report) {
		return 0
	}
	return most - at.Sub(s.since)
}

// passing is how long steps on the way to a version are kept back.
func (n *Node) passing() time.Duration {
	return min(mostPassing, time.Duration(max(0, n.ledger.Size()-restless))*passingShare)
}

// reportSettle is how long after something changed it is reported.
func (n *Node) reportSettle() time.Duration {
	return reportSettle + time.Duration(n.ledger.Size())*reportShare
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
	settle := time.NewTimer(n.reportSettle())
	defer settle.Stop()
	select {
	case <-n.ctx.Done():
		return false
	case <-settle.C:
	}
	return true
}
