package mesh

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"selvage/internal/ident"
)

// keyOf makes a key of a name, the same each time.
func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func idOf(name string) ident.NodeID { return ident.FromPrivateKey(keyOf(name)) }

// testGate admits who shows "name site node" as its credential, if a charter says no other thing.
type testGate struct {
	fleet, name, site string
	cred              string // "": the right one

	mu       sync.Mutex
	charters []string      // version i+1 is at i; "revoke NAME" refuses a name
	slow     chan struct{} // nil, or Judge waits for it
}

var _ Gate = (*testGate)(nil)

func (g *testGate) Hello() Hello {
	g.mu.Lock()
	defer g.mu.Unlock()
	cred := g.cred
	if cred == "" {
		cred = fmt.Sprint(g.name, " ", g.site, " ", idOf(g.name))
	}
	return Hello{Fleet: []byte(g.fleet), Credential: []byte(cred), Charter: uint64(len(g.charters)), Protocols: []string{"test/1"}}
}

func (g *testGate) Charters(after uint64) (out [][]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.charters[min(after, uint64(len(g.charters))):] {
		out = append(out, []byte(c))
	}
	return out
}

func (g *testGate) Learn(charters [][]byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range charters {
		if string(c) == "forged" {
			return fmt.Errorf("charter is not signed")
		}
		g.charters = append(g.charters, string(c))
	}
	return nil
}

func (g *testGate) known() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.charters)
}

func (g *testGate) Judge(remote ident.NodeID, h Hello) (Peer, error) {
	if g.slow != nil {
		<-g.slow
	}
	if string(h.Fleet) != g.fleet {
		return Peer{}, &Refusal{Code: CodeFleet, Text: "this node is of fleet " + g.fleet}
	}
	f := strings.Fields(string(h.Credential))
	if len(f) != 3 {
		return Peer{}, &Refusal{Code: CodeCredential, Text: "no credential"}
	}
	if f[2] != remote.String() {
		return Peer{}, &Refusal{Code: CodeCredential, Text: "credential is of another node"}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.charters, "revoke "+f[0]) {
		return Peer{}, fmt.Errorf("%s is revoked", f[0])
	}
	if slices.Contains(g.charters, "prove "+f[0]) {
		return Peer{}, &Refusal{Code: CodeCredential, Text: "revoked", Proof: []byte("proof")}
	}
	return Peer{ID: remote, Name: f[0], Site: f[1]}, nil
}

// testNode is a host with what it was told.
type testNode struct {
	*Host
	t    testing.TB
	gate *testGate

	mu      sync.Mutex
	events  []string // "+name", "-name"
	refused []string // "code text", "code text by remote"
}

const (
	echoProtocol = "/test/echo"
	bulkProtocol = "/test/bulk"
	sinkProtocol = "/test/sink"
)

// testConfig is what a node of a name, at a site, works with on the loopback interface.
func testConfig(name, site string) Config {
	return Config{Key: keyOf(name), Site: site, Listen: []string{"127.0.0.1:0"}, Bulk: []string{bulkProtocol, sinkProtocol},
		Gate: &testGate{fleet: "f", name: name, site: site}}
}

// start brings a node up; it is closed at the end of the test.
func start(t testing.TB, cfg Config) *testNode {
	t.Helper()
	n := &testNode{t: t, gate: cfg.Gate.(*testGate)}
	cfg.Refused = func(_ ident.NodeID, r *Refusal) {
		n.mu.Lock()
		defer n.mu.Unlock()
		s := r.Code + " " + r.Text
		if r.ByRemote {
			s += " by remote"
		}
		if r.Proof != nil {
			s += " with " + string(r.Proof)
		}
		n.refused = append(n.refused, s)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.Host = h
	h.OnPeer(func(p Peer, up bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.events = append(n.events, map[bool]string{true: "+", false: "-"}[up]+p.Name)
	})
	for _, p := range []string{echoProtocol, bulkProtocol} {
		h.Handle(p, func(_ ident.NodeID, c net.Conn) {
			defer c.Close()
			_, _ = io.Copy(c, c)
		})
	}
	h.Handle(sinkProtocol, func(_ ident.NodeID, c net.Conn) {
		defer c.Close()
		_, _ = io.Copy(io.Discard, c)
	})
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *testNode) stop() {
	if err := n.Close(); err != nil {
		n.t.Errorf("close: %v", err)
	}
}

// seen returns what OnPeer told so far.
func (n *testNode) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.events)
}

func (n *testNode) refusals() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.refused)
}

// names returns the connected peers' names.
func (n *testNode) names() string {
	var out []string
	for _, p := range n.Peers() {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

// eventually polls until ok holds, for ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within ten seconds: %s", what)
}

// meet has a learn where b is, and waits for both.
func meet(t testing.TB, a, b *testNode) {
	t.Helper()
	a.Learn(b.Addrs()...)
	eventually(t, a.gate.name+" and "+b.gate.name+" meet", func() bool { return a.knows(b) && b.knows(a) })
}

func (n *testNode) knows(o *testNode) bool {
	return slices.ContainsFunc(n.Peers(), func(p PeerInfo) bool { return p.ID == o.self })
}

// echo sends a text to a peer and has it back.
func (n *testNode) echo(to *testNode, protocol, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := n.Open(ctx, to.self, protocol)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if string(back) != text {
		return fmt.Errorf("got %q back, want %q", back, text)
	}
	return nil
}
