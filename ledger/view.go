package ledger

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// shown is what others are shown: what the last change left behind that is durable.
type shown struct {
	view     view
	lists    lists                 // the long ones
	feeds    map[string]*feedState // by Feed.Key
	keys     []string              // of feeds, in order
	changed  chan struct{}         // closed at the next change
	revision uint64                // see Revision
	roots    map[string]*root      // by what Root was asked for; not nil
}

// take has queries answer what a change has come to.
func (s *shown) take(v view, n news) {
	s.view = v
	s.lists.nodes.change(n.nodes)
	s.lists.byID.change(n.nodes)
	s.lists.uses.change(n.uses)
	s.lists.reports.change(n.reports)
	s.lists.beacons.change(n.beacons)
	s.lists.leases.change(n.leases)
	s.lists.terms.change(n.terms)
}

// view is what queries answer, but for the long lists. What it refers to is handed out, so it is never changed but replaced; two
// that follow each other share what is equal in both.
type view struct {
	chain       *trust.Chain
	keys        map[string]ed25519.PublicKey // of all its charters, by key ID
	floor       trust.Floor
	members     int // of the fleet
	releases    []SignedRelease
	deployments []DeploymentState
	revocations []SignedRevocation // the earliest first
	sites       []SiteState        // by site
	forks       []string
}

// uses is who joined with an invite, the earliest first.
type uses struct {
	serial string
	nodes  []ident.NodeID
}

func compareID(n Node, id ident.NodeID) int { return n.Node.Compare(id) }

func compareAuthor(r Report, id ident.NodeID) int { return r.Node.Compare(id) }

// view returns what the fold has come to, but for the long lists.
func (f *fold) view(floor trust.Floor) view {
	return view{chain: f.chain(), keys: f.charters.keys, floor: floor, members: len(f.members), releases: f.releases(), deployments: f.deployments(),
		revocations: f.revocations(), sites: f.siteConfigs(), forks: f.forks()}
}

// news is what a change has made of the items of the long lists.
type news struct {
	nodes                           map[ident.NodeID]item[Node]
	uses                            map[string]item[uses]
	reports, beacons, leases, terms map[ident.NodeID]item[Report]
}

// news works out what is in doubt.
func (f *fold) news() news {
	return news{resolve(f.doubted.nodes, f.known), resolve(f.doubted.uses, f.usesOf), resolve(f.doubted.reports, f.report),
		resolve(f.doubted.beacons, f.beacon), resolve(f.doubted.leases, f.lease), resolve(f.doubted.terms, f.terms)}
}

// forks tells people who contradicted themselves.
func (f *fold) forks() []string {
	var out []string
	for id := range f.forked {
		out = append(out, fmt.Sprintf("%s (%s) has forked its feed", f.node(id).Name, id.Short()))
	}
	for digest, version := range f.charters.rivals {
		out = append(out, fmt.Sprintf("root keys signed two charters of version %d; %.12s does not count here", version, digest))
	}
	slices.Sort(out)
	return out
}

// doubted is what the fold has to work out anew before it is shown.
type doubted struct {
	nodes, reports, beacons, leases, terms doubts[ident.NodeID]
	uses                                   doubts[string]
}

// heads are the doubts about one of a head's kinds.
func (d *doubted) heads(k Kind) doubts[ident.NodeID] {
	switch k {
	case KindBeacon:
		return d.beacons
	case KindLease:
		return d.leases
	case KindTerms:
		return d.terms
	}
	return d.reports
}

func newDoubted() doubted {
	return doubted{nodes: doubts[ident.NodeID]{}, reports: doubts[ident.NodeID]{}, beacons: doubts[ident.NodeID]{}, leases: doubts[ident.NodeID]{}, terms: doubts[ident.NodeID]{}, uses: doubts[string]{}}
}

// lists are the long answers.
type lists struct {
	nodes   ordered[ident.NodeID, Node]   // by site, name, then ID
	byID    ordered[ident.NodeID, Node]   // the same, by ID
	uses    ordered[string, uses]         // by serial
	reports ordered[ident.NodeID, Report] // by node, as those that follow
	beacons ordered[ident.NodeID, Report]
	leases  ordered[ident.NodeID, Report]
	terms   ordered[ident.NodeID, Report]
}

// heads are those of one of a head's kinds.
func (s *lists) heads(k Kind) *ordered[ident.NodeID, Report] {
	switch k {
	case KindBeacon:
		return &s.beacons
	case KindLease:
		return &s.leases
	case KindTerms:
		return &s.terms
	}
	return &s.reports
}

func newLists() lists {
	of := func(r Report) ident.NodeID { return r.Node }
	id := func(n Node) ident.NodeID { return n.Node }
	return lists{
		nodes: ordered[ident.NodeID, Node]{key: id, compare: comparePlaces},
		byID:  ordered[ident.NodeID, Node]{key: id, compare: func(a, b Node) int { return a.Node.Compare(b.Node) }},
		uses: ordered[string, uses]{key: func(u uses) string { return u.serial },
			compare: func(a, b uses) int { return strings.Compare(a.serial, b.serial) }},
		reports: ordered[ident.NodeID, Report]{key: of, compare: compareNodes},
		beacons: ordered[ident.NodeID, Report]{key: of, compare: compareNodes},
		leases:  ordered[ident.NodeID, Report]{key: of, compare: compareNodes},
		terms:   ordered[ident.NodeID, Report]{key: of, compare: compareNodes},
	}
}

// comparePlaces orders by site, name, then ID.
func comparePlaces(a, b Node) int {
	return cmp.Or(strings.Compare(a.Site, b.Site), strings.Compare(a.Name, b.Name), bytes.Compare(a.Node[:], b.Node[:]))
}

func compareNodes(a, b Report) int { return a.Node.Compare(b.Node) }
