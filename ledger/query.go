package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// Node is a member of the fleet.
type Node struct {
	trust.Member
	Quarantined string // why nothing that it says of itself is believed; "" if it is
	Revoked     bool   // operators have said so; Quarantined has their reason
}

// Report is the newest report, or the newest beacon, of a node. Its body is package node's to read.
type Report struct {
	Node     ident.NodeID
	Seq      uint64
	Time     Timestamp
	Received time.Time // by this node's clock; after a restart, the entry's own time
	Body     []byte
}

// SignedRelease is a release that counts.
type SignedRelease struct {
	Release
	Digest  string   // of the statement
	Signers []string // key IDs
	Rivals  []string // statements that say something else of the same name and version
}

// DeploymentState is what the ledger wants under one name.
type DeploymentState struct {
	Deployment          // the head that all nodes follow
	Digest     string   // of its statement
	Heads      []string // all that nothing supersedes; more than one is a conflict
	Signers    []string
}

// lists are answers that take long to work out. A change of what they rest on drops them.
type lists struct {
	releases    []SignedRelease
	deployments []DeploymentState
	nodes       []Node // by site, name, then ID
}

// valid returns the statements of a kind that count, grouped by name.
func (f *fold) valid(kind Kind, name func(*statement) string) map[string][]*statement {
	out := map[string][]*statement{}
	for _, s := range f.statements {
		if s.kind == kind && s.signers != nil {
			out[name(s)] = append(out[name(s)], s)
		}
	}
	return out
}

// releases lists the releases by name and version. Of statements that contradict each other the
// one created first stands, so that a later one cannot replace bytes that nodes run already.
func (f *fold) releases() []SignedRelease {
	if f.lists.releases != nil {
		return f.lists.releases
	}
	out := []SignedRelease{}
	for _, all := range f.valid(KindRelease, func(s *statement) string { return s.release.Ref() }) {
		slices.SortFunc(all, func(a, b *statement) int {
			return cmp.Or(a.release.Created.Compare(b.release.Created), strings.Compare(a.digest, b.digest))
		})
		r := SignedRelease{Release: all[0].release, Digest: all[0].digest, Signers: all[0].signers}
		for _, rival := range all[1:] {
			r.Rivals = append(r.Rivals, rival.digest)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b SignedRelease) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Created.Compare(b.Created), strings.Compare(a.Version, b.Version))
	})
	f.lists.releases = out
	return out
}

// deployments lists what is wanted by name. Among several heads all nodes follow the one of the
// highest generation, the latest declared, the highest digest, in this order.
func (f *fold) deployments() []DeploymentState {
	if f.lists.deployments != nil {
		return f.lists.deployments
	}
	out := []DeploymentState{}
	for _, all := range f.valid(KindDeployment, func(s *statement) string { return s.deployment.Name }) {
		superseded := map[string]bool{}
		for _, s := range all {
			for _, d := range s.deployment.Supersedes {
				superseded[d] = true
			}
		}
		heads := slices.DeleteFunc(all, func(s *statement) bool { return superseded[s.digest] })
		if len(heads) == 0 { // statements that supersede each other in a ring cannot be made without breaking SHA-256
			continue
		}
		slices.SortFunc(heads, func(a, b *statement) int {
			return -cmp.Or(cmp.Compare(a.deployment.Generation, b.deployment.Generation),
				a.deployment.Declared.Compare(b.deployment.Declared), strings.Compare(a.digest, b.digest))
		})
		d := DeploymentState{Deployment: heads[0].deployment, Digest: heads[0].digest, Signers: heads[0].signers}
		for _, h := range heads {
			d.Heads = append(d.Heads, h.digest)
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b DeploymentState) int { return strings.Compare(a.Name, b.Name) })
	f.lists.deployments = out
	return out
}

// Chain returns the fleet's charters; nil until one is known.
func (l *Ledger) Chain() *trust.Chain {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.chain()
}

// Nodes returns the fleet's members by site, name, then ID. The caller must not change the list.
func (l *Ledger) Nodes() []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.nodes()
}

// NodesOf is Nodes for one site.
func (l *Ledger) NodesOf(site string) []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.fold.nodes()
	from, _ := slices.BinarySearchFunc(all, site, func(n Node, site string) int { return strings.Compare(n.Site, site) })
	to := from
	for to < len(all) && all[to].Site == site {
		to++
	}
	return all[from:to:to]
}

// Sites returns how many sites have members.
func (l *Ledger) Sites() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sites, last := 0, ""
	for _, n := range l.fold.nodes() {
		if n.Site != last {
			sites, last = sites+1, n.Site
		}
	}
	return sites
}

// Node returns one member.
func (l *Ledger) Node(id ident.NodeID) (Node, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fold.members[id] == nil {
		return Node{}, false
	}
	return l.fold.node(id), true
}

// Invited returns the nodes that joined with an invite, the earliest first.
func (l *Ledger) Invited(serial string) []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Node
	for _, u := range l.fold.uses[serial] {
		out = append(out, l.fold.node(u.node))
	}
	return out
}

// Releases returns every release that counts, by name and time. The caller must not change what
// the releases refer to; the same goes for the other queries.
func (l *Ledger) Releases() []SignedRelease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.fold.releases())
}

// Release returns the release with this NAME@VERSION.
func (l *Ledger) Release(ref string) (SignedRelease, bool) {
	releases := l.Releases()
	i := slices.IndexFunc(releases, func(r SignedRelease) bool { return r.Ref() == ref })
	if i < 0 {
		return SignedRelease{}, false
	}
	return releases[i], true
}

// Deployments returns what is wanted, by name.
func (l *Ledger) Deployments() []DeploymentState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.fold.deployments())
}

// Reports returns the newest report of each member that is not quarantined, by node. The caller must
// not change the list either.
func (l *Ledger) Reports() []Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.reports.answer(l.fold, KindReport)
}

// Beacons is Reports for beacons.
func (l *Ledger) Beacons() []Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fold.beacons.answer(l.fold, KindBeacon)
}

// BeaconsOf returns the beacons of one site's members.
func (l *Ledger) BeaconsOf(site string) []Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Report
	for _, b := range l.fold.beacons.answer(l.fold, KindBeacon) {
		if m, _ := l.fold.standing(b.Node); m.Site == site {
			out = append(out, b)
		}
	}
	return out
}

// Forks returns, as text for people, who contradicted themselves: nodes that forked a feed, and
// root keys that signed two charters of one version.
func (l *Ledger) Forks() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for id := range l.fold.forked {
		out = append(out, fmt.Sprintf("%s (%s) has forked its feed", l.fold.node(id).Name, id.Short()))
	}
	for digest, version := range l.fold.charters.rivals {
		out = append(out, fmt.Sprintf("root keys signed two charters of version %d; %.12s does not count here", version, digest))
	}
	slices.Sort(out)
	return out
}

// Judge says why a statement does not count here: it cannot be read, or who signed it may not
// say it. It returns the statement's digest otherwise.
func (l *Ledger) Judge(kind Kind, envelope []byte) (string, error) {
	s, err := readStatement(kind, envelope)
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fold.chain() == nil {
		return "", errNoCharter
	}
	s.show("", l.fold.charters.keys)
	_, _, err = l.fold.verify(s)
	return s.digest, err
}
