package distribute

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"selvage/distribute/store"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
)

// content returns n bytes that are the same for the same seed.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

// world is some nodes on one network.
type world struct {
	t     *testing.T
	net   *network
	nodes []*node

	mirrors []Mirror // of nodes that start from now on
}

// node is a swarm with what it stands on.
type node struct {
	w     *world
	port  *port
	fs    *memdisk.FS
	store *store.Store
	swarm *Swarm

	providers []ident.NodeID

	mu      sync.Mutex
	blamed  map[ident.NodeID]string // whom it reported
	failing []string                // whom it found to give nothing, and why
	reasons []string                // what it reported of mirrors
	changed int
}

// run runs a test in virtual time, and checks that everything it started has ended after it.
func run(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: newNetwork(t)}
		defer func() {
			for _, n := range w.nodes {
				n.swarm.Close()
			}
			w.net.breakAll()
			w.net.wg.Wait() // and synctest fails if anything else is left
		}()
		f(t, w)
	})
}

func (w *world) id() ident.NodeID { return ident.NodeID{byte(len(w.net.ports)) + 1} }

// node adds a node with an empty store.
func (w *world) node(site string) *node { return w.nodeOn(site, memdisk.New(0)) }

func (w *world) nodeOn(site string, fs *memdisk.FS) *node {
	w.t.Helper()
	n := &node{w: w, port: w.net.port(w.id(), site), fs: fs, blamed: map[ident.NodeID]string{}}
	n.start()
	w.nodes = append(w.nodes, n)
	return n
}

func (n *node) start() {
	n.w.t.Helper()
	var err error
	if n.store, err = store.Open(n.fs, "store"); err != nil {
		n.w.t.Fatal(err)
	}
	n.swarm = NewSwarm(Config{
		Network: n.port, Store: n.store, Self: n.port.id, Site: n.port.site,
		Providers: func(Digest) []ident.NodeID { return n.providers },
		Misbehaved: func(id ident.NodeID, reason string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.blamed[id] = reason
		},
		Failing: func(id ident.NodeID, reason string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.failing = append(n.failing, fmt.Sprintf("%d: %s", id[0], reason))
		},
		Mirrors: n.w.mirrors,
		MirrorFailed: func(name, reason string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.reasons = append(n.reasons, name+": "+reason)
		},
		Changed: func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.changed++
		},
	})
	swarm := n.swarm
	n.port.peer = func(id ident.NodeID, up bool, site string) {
		if up {
			swarm.PeerUp(id, site)
		} else {
			swarm.PeerDown(id)
		}
	}
}

func (n *node) blames(id ident.NodeID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.blamed[id]
}

// mesh connects all nodes with each other.
func (w *world) mesh() { w.link(w.nodes) }

// link connects some nodes with each other.
func (w *world) link(nodes []*node) {
	for i, a := range nodes {
		for _, b := range nodes[:i] {
			w.net.connect(a.port, b.port)
		}
	}
}

// site adds n nodes.
func (w *world) site(name string, n int) []*node {
	var out []*node
	for range n {
		out = append(out, w.node(name))
	}
	return out
}

func (n *node) add(data []byte) store.Want {
	n.w.t.Helper()
	o, err := n.store.Add(context.Background(), bytes.NewReader(data))
	if err != nil {
		n.w.t.Fatal(err)
	}
	n.swarm.Tell(o.Digest)
	return o.Want
}

func (n *node) holds(want store.Want, data []byte) {
	n.w.t.Helper()
	r, err := n.store.OpenBlob(want.Digest)
	if err != nil {
		n.w.t.Fatalf("node %d: %v", n.port.id[0], err)
	}
	defer r.Close()
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil || !bytes.Equal(got, data) {
		n.w.t.Fatalf("node %d has %d other bytes, %v", n.port.id[0], len(got), err)
	}
}

// fetch fetches within a time.
func (n *node) fetch(want store.Want, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return n.swarm.Fetch(ctx, want)
}

// fetchAll has nodes fetch at once, and returns how long it took them.
func (w *world) fetchAll(nodes []*node, want store.Want, within time.Duration) time.Duration {
	w.t.Helper()
	began := time.Now()
	errs := make(chan error, len(nodes))
	for _, n := range nodes {
		go func() {
			if err := n.fetch(want, within); err != nil {
				errs <- fmt.Errorf("node %d: %w", n.port.id[0], err)
				return
			}
			errs <- nil
		}()
	}
	for range nodes {
		if err := <-errs; err != nil {
			w.t.Error(err)
		}
	}
	return time.Since(began)
}

func digestOf(data []byte) Digest { return sha256.Sum256(data) }

// hasAll gives a node every chunk of an object, under whatever digest, without the check of the whole.
func (n *node) hasAll(want store.Want, from *store.Object, data []byte) {
	n.w.t.Helper()
	o, err := n.store.Begin(want)
	if err != nil {
		n.w.t.Fatal(err)
	}
	copyList(n.w.t, o, from)
	for i, c := range o.Chunks() {
		if _, err := o.Put(i, data[c.Offset:c.Offset+int64(c.Size)]); err != nil {
			n.w.t.Fatal(err)
		}
	}
}

// copyList gives an object the chunk list of another.
func copyList(t *testing.T, to, from *store.Object) {
	t.Helper()
	enc, err := from.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := store.DecodeNodes(bytes.NewReader(enc))
	if err == nil {
		err = to.SetNodes(nodes)
	}
	if err != nil {
		t.Fatal(err)
	}
}
