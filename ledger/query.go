package ledger

import (
	"cmp"
	"maps"
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
	// Renewals of the credential that count, the one that counts most first. Whether any has expired is not asked: see GoodUntil.
	Renewals []trust.Renewal
}

// Report is the newest report, beacon or lease record of a node. Its body is package node's to read.
type Report struct {
	Node     ident.NodeID
	Seq      uint64
	Time     Timestamp
	Received time.Time // by this node's clock; after a restart, the entry's own time, or the start if that lies ahead
	Body     []byte
}

// SignedRelease is a release that counts.
type SignedRelease struct {
	Release
	Digest  string   // of the statement
	Signers []string // key IDs
	// Carriers are the members, by ID, in whose feeds it is found, but for those who have forked theirs: who took the release
	// into the fleet, and who added signatures to it, or says to.
	Carriers []ident.NodeID
	Rivals   []string // statements that say something else of the same name and version
}

// DeploymentState is what the ledger wants under one name.
type DeploymentState struct {
	Deployment          // the head that all nodes follow
	Digest     string   // of its statement
	Heads      []string // all that nothing supersedes; more than one is a conflict
	Signers    []string
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
	if f.releaseList != nil {
		return f.releaseList
	}
	out := []SignedRelease{}
	for _, all := range f.valid(KindRelease, func(s *statement) string { return s.release.Ref() }) {
		slices.SortFunc(all, func(a, b *statement) int {
			return cmp.Or(a.release.Created.Compare(b.release.Created), strings.Compare(a.digest, b.digest))
		})
		r := SignedRelease{Release: all[0].release, Digest: all[0].digest, Signers: all[0].signers, Carriers: f.carriers(all[0])}
		for _, rival := range all[1:] {
			r.Rivals = append(r.Rivals, rival.digest)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b SignedRelease) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Created.Compare(b.Created), strings.Compare(a.Version, b.Version))
	})
	f.releaseList = out
	return out
}

// carriers lists who carries a statement, by ID.
func (f *fold) carriers(s *statement) (all []ident.NodeID) {
	for id := range s.carriers {
		if !f.forked[id] {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, ident.NodeID.Compare)
	return all
}

// deployments lists what is wanted by name. Of several heads all nodes follow the first.
func (f *fold) deployments() []DeploymentState {
	if f.wantedList != nil {
		return f.wantedList
	}
	out := []DeploymentState{}
	for _, all := range f.valid(KindDeployment, func(s *statement) string { return s.deployment.Name }) {
		heads := headsOf(all)
		if len(heads) == 0 { // statements that supersede each other in a ring cannot be made without breaking SHA-256
			continue
		}
		out = append(out, DeploymentState{Deployment: heads[0].deployment, Digest: heads[0].digest, Heads: digestsOf(heads), Signers: heads[0].signers})
	}
	slices.SortFunc(out, func(a, b DeploymentState) int { return strings.Compare(a.Name, b.Name) })
	f.wantedList = out
	return out
}

// view returns what queries answer now, but for the long lists. It does not wait for the change that is under way.
func (l *Ledger) view() view {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown.view
}

// Chain returns the fleet's charters; nil until one is known.
func (l *Ledger) Chain() *trust.Chain {
	return l.view().chain
}

// Nodes returns the fleet's members by site, name, then ID. The caller must not change the list.
func (l *Ledger) Nodes() []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown.lists.nodes.answer()
}

// Size returns how many members the fleet has.
func (l *Ledger) Size() int { return l.view().members }

// NodesOf is Nodes for one site.
func (l *Ledger) NodesOf(site string) []Node {
	all := l.Nodes()
	from, _ := slices.BinarySearchFunc(all, site, func(n Node, site string) int { return strings.Compare(n.Site, site) })
	to := from
	for to < len(all) && all[to].Site == site {
		to++
	}
	return all[from:to:to]
}

// Sites returns how many sites have members.
func (l *Ledger) Sites() int {
	sites, last := 0, ""
	for _, n := range l.Nodes() {
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
	return l.shown.lists.byID.find(id, compareID)
}

// Invited returns the nodes that joined with an invite, the earliest first.
func (l *Ledger) Invited(serial string) []Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	used, _ := l.shown.lists.uses.find(serial, func(u uses, serial string) int { return strings.Compare(u.serial, serial) })
	var out []Node
	for _, id := range used.nodes {
		n, _ := l.shown.lists.byID.find(id, compareID)
		out = append(out, n)
	}
	return out
}

// Releases returns every release that counts, by name and time. The caller must not change what
// the releases refer to; the same goes for the other queries.
func (l *Ledger) Releases() []SignedRelease { return slices.Clone(l.view().releases) }

// Release returns the release with this NAME@VERSION.
func (l *Ledger) Release(ref string) (SignedRelease, bool) {
	releases := l.view().releases
	i := slices.IndexFunc(releases, func(r SignedRelease) bool { return r.Ref() == ref })
	if i < 0 {
		return SignedRelease{}, false
	}
	return releases[i], true
}

// Deployments returns what is wanted, by name.
func (l *Ledger) Deployments() []DeploymentState { return slices.Clone(l.view().deployments) }

// Reports returns the newest report of each member that is not quarantined, by node. The caller must
// not change the list either.
func (l *Ledger) Reports() []Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown.lists.reports.answer()
}

// Beacons is Reports for beacons.
func (l *Ledger) Beacons() []Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shown.lists.beacons.answer()
}

// BeaconsOf returns the beacons of one site's members.
func (l *Ledger) BeaconsOf(site string) []Report {
	return l.of(site, &l.shown.lists.beacons)
}

// LeasesOf returns the newest lease records of one site's members, as far as they have led it.
func (l *Ledger) LeasesOf(site string) []Report {
	return l.of(site, &l.shown.lists.leases)
}

// TermsOf returns the newest records of one site's members of when they came to lead it.
func (l *Ledger) TermsOf(site string) []Report {
	return l.of(site, &l.shown.lists.terms)
}

// of picks those of a site's members, by node.
func (l *Ledger) of(site string, list *ordered[ident.NodeID, Report]) (out []Report) {
	members := l.NodesOf(site)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range members {
		if r, ok := list.find(m.Node, compareAuthor); ok {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, compareNodes)
	return out
}

// Forks returns, as text for people, who contradicted themselves: nodes that forked a feed, and
// root keys that signed two charters of one version. The caller must not change the list.
func (l *Ledger) Forks() []string { return l.view().forks }

// Judge says why a statement does not count here: it cannot be read, or who signed it may not
// say it. It returns the statement's digest otherwise. It waits for the change that is under way.
func (l *Ledger) Judge(kind Kind, envelope []byte) (string, error) {
	return l.JudgeWith(Supposed{}, kind, envelope)
}

// Supposed is what a statement is judged with besides what is known.
type Supposed struct {
	// Charters nobody has to know yet. Those that do not follow on the fleet's chain change nothing.
	Charters []trust.Envelope
	// Revocations likewise, each an envelope as JSON. Those that do not count change nothing.
	Revocations [][]byte
	// Forgiving judges as if no key was revoked that is known to be.
	Forgiving bool
}

// JudgeWith is Judge as it would be if more were known.
func (l *Ledger) JudgeWith(with Supposed, kind Kind, envelope []byte) (string, error) {
	s, err := readStatement(kind, envelope)
	if err != nil {
		return "", err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	f := *l.fold
	if len(with.Charters) > 0 {
		f.charters = f.charters.with(with.Charters)
	}
	if f.chain() == nil {
		return "", errNoCharter
	}
	if f.revoked = maps.Clone(f.revoked); with.Forgiving {
		f.revoked = revoked{}
	}
	f.suppose(with.Revocations)
	s.show("", f.charters.keys)
	_, _, err = f.verify(s)
	return s.digest, err
}

// suppose has those revocations of keys count that would. The fold's own are not to be shared with another.
func (f *fold) suppose(revocations [][]byte) {
	for _, envelope := range revocations {
		s, err := readStatement(KindRevocation, envelope)
		if err != nil || s.revocation.Subject != SubjectKey {
			continue
		}
		s.show("", f.charters.keys)
		if _, _, err := f.verify(s); err == nil {
			f.revoked.put(s, true)
		}
	}
}

// Signed returns a statement with all of its signatures that hold. It waits for the change that is under way.
func (l *Ledger) Signed(digest string) (trust.Envelope, bool) {
	l.writing.Lock()
	defer l.writing.Unlock()
	s, ok := l.fold.statements[digest]
	if !ok {
		return trust.Envelope{}, false
	}
	return s.sealed(func(string) bool { return true }), true
}
