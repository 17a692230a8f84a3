package ledger

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// shown is what others are shown: what the last change left behind that is durable.
type shown struct {
	view     *view
	feeds    map[string]*feedState        // by Feed.Key
	keys     []string                     // of feeds, in order
	changed  chan struct{}                // closed at the next change
	revision uint64                       // see Revision
	roots    map[string][sha256.Size]byte // what Root has answered since the last change
}

// view is what queries answer. It is handed out, so it is never changed but replaced; two that follow each other
// share what is equal in both.
type view struct {
	chain       *trust.Chain
	keys        map[string]ed25519.PublicKey // of all its charters, by key ID
	floor       trust.Floor
	nodes       []Node // by site, name, then ID
	byID        []Node // the same, by ID
	uses        []uses // by serial
	releases    []SignedRelease
	deployments []DeploymentState
	revocations []SignedRevocation // the earliest first
	reports     []Report           // by node
	beacons     []Report           // likewise
	forks       []string
}

// uses is who joined with an invite, the earliest first.
type uses struct {
	serial string
	nodes  []ident.NodeID
}

// view returns what the fold has come to.
func (f *fold) view(floor trust.Floor) *view {
	return &view{
		chain: f.chain(), keys: f.charters.keys, floor: floor,
		nodes: f.lists.nodes.renew(f.known), byID: f.lists.byID.renew(f.known), uses: f.lists.uses.renew(f.usesOf),
		releases: f.releases(), deployments: f.deployments(), revocations: f.revocations(),
		reports: f.lists.reports.renew(f.report), beacons: f.lists.beacons.renew(f.beacon),
		forks: f.forks(),
	}
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

// node finds a member.
func (v *view) node(id ident.NodeID) (Node, bool) {
	i, ok := slices.BinarySearchFunc(v.byID, id, func(n Node, id ident.NodeID) int { return n.Node.Compare(id) })
	if !ok {
		return Node{}, false
	}
	return v.byID[i], true
}

// lists are answers that take long to work out; each is kept while what it rests on stays the same.
type lists struct {
	releases    []SignedRelease   // nil: to be worked out
	deployments []DeploymentState // likewise
	revocations []SignedRevocation
	nodes       ordered[ident.NodeID, Node]
	byID        ordered[ident.NodeID, Node]
	uses        ordered[string, uses]
	reports     ordered[ident.NodeID, Report]
	beacons     ordered[ident.NodeID, Report]
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
	}
}

// comparePlaces orders by site, name, then ID.
func comparePlaces(a, b Node) int {
	return cmp.Or(strings.Compare(a.Site, b.Site), strings.Compare(a.Name, b.Name), bytes.Compare(a.Node[:], b.Node[:]))
}

func compareNodes(a, b Report) int { return a.Node.Compare(b.Node) }
