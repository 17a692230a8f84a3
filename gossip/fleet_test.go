package gossip

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"selvage/internal/ident"
)

// testFleet is sites of nodes, all of which are neighbours.
type testFleet struct {
	net   *memNet
	nodes []*testNode
}

type testNode struct {
	id   ident.NodeID
	site int
	name string // as author
	port *memPort
	log  *memLog
	rep  *Replicator

	mu       sync.Mutex
	offences []string
	synced   []ident.NodeID // with whom a whole session has run to its end
}

func siteName(site int) string { return fmt.Sprintf("site%d", site) }

// newFleet makes the nodes; up connects them. With push, records spread as they are stored.
func newFleet(sites, size int, push bool) *testFleet {
	f := &testFleet{net: newMemNet()}
	for s := range sites {
		for i := range size {
			f.nodes = append(f.nodes, f.newNode(s, i, size, push))
		}
	}
	return f
}

func (f *testFleet) newNode(site, i, size int, push bool) *testNode {
	n := &testNode{id: nodeID(site, i), site: site, name: fmt.Sprintf("author%d.%d", site, i)}
	var mates []ident.NodeID
	for j := range size {
		mates = append(mates, nodeID(site, j))
	}
	n.port = f.net.port(n.id)
	n.log = newMemLog(siteName(site))
	n.rep = NewReplicator(Config{
		Network: n.port, Log: n.log, Self: n.id,
		Mates: func() []ident.NodeID { return mates },
		Misbehaved: func(id ident.NodeID, reason string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.offences = append(n.offences, id.Short()+": "+reason)
		},
		Synced: func(id ident.NodeID, _ bool) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.synced = append(n.synced, id)
		},
	})
	if push {
		n.log.onStored = n.rep.Push
	}
	return n
}

func (n *testNode) syncedWith(id ident.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.synced, id)
}

func (n *testNode) misbehaved() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.offences
}

func (f *testFleet) link(a, b *testNode) {
	f.net.set(a.id, b.id, false)
	a.rep.PeerUp(b.id, a.site == b.site)
	b.rep.PeerUp(a.id, a.site == b.site)
}

func (f *testFleet) unlink(a, b *testNode) {
	f.net.set(a.id, b.id, true)
	a.rep.PeerDown(b.id)
	b.rep.PeerDown(a.id)
}

// pairs calls do with all pairs of nodes for which which holds.
func (f *testFleet) pairs(which func(a, b *testNode) bool, do func(a, b *testNode)) {
	for i, a := range f.nodes {
		for _, b := range f.nodes[:i] {
			if which(a, b) {
				do(a, b)
			}
		}
	}
}

func all(a, b *testNode) bool        { return true }
func otherSites(a, b *testNode) bool { return a.site != b.site }

func (f *testFleet) close() {
	for _, n := range f.nodes {
		n.rep.Close()
	}
}

// admit has the first node name every author.
func (f *testFleet) admit() {
	for _, n := range f.nodes {
		f.nodes[0].log.publish(admitFeed, n.name)
	}
}

// diverged says which node differs from the first, in the fleet's feeds, or from the first of its
// site, in all; "" if none does.
func (f *testFleet) diverged() string {
	first := map[int]*testNode{}
	for _, n := range f.nodes {
		if n.log.Root(false) != f.nodes[0].log.Root(false) {
			return n.name
		}
		if first[n.site] == nil {
			first[n.site] = n
		}
		if n.log.Root(true) != first[n.site].log.Root(true) {
			return n.name + " within its site"
		}
	}
	return ""
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// converge waits for all nodes to be equal and returns how long that took.
func (f *testFleet) converge(t fataler, limit time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < limit {
		if f.diverged() == "" {
			return time.Since(begin)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("after %v differs: %s", limit, f.diverged())
	return 0
}

// leaked returns a feed that is on a node of another site than its own; "" if there is none.
func (f *testFleet) leaked() string {
	for _, n := range f.nodes {
		for feed := range n.log.marks(true) {
			if n.log.Site(feed) && feed[:len(siteName(0))] != siteName(n.site) {
				return feed
			}
		}
	}
	return ""
}
