package mesh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"
)

func TestRefusalIsToldOnBothEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*testGate)
		at, b string // what a and b are told first
	}{
		{"wrong fleet", func(g *testGate) { g.fleet = "g" }, "fleet this node is of fleet f", "fleet this node is of fleet g"},
		{"no credential", func(g *testGate) { g.cred = "?" }, "credential no credential", "credential no credential by remote"},
		{"credential of another", func(g *testGate) { g.cred = fmt.Sprint("b s1 ", idOf("c")) },
			"credential credential is of another node", "credential credential is of another node by remote"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, cfg := start(t, testConfig("a", "s1")), testConfig("b", "s1")
			c.spoil(cfg.Gate.(*testGate))
			b := start(t, cfg)
			b.Learn(a.Addrs()...)
			eventually(t, "both are told", func() bool { return len(a.refusals()) > 0 && len(b.refusals()) > 0 })
			if got := a.refusals()[0]; got != c.at {
				t.Errorf("a was told %q, want %q", got, c.at)
			}
			if got := b.refusals()[0]; got != c.b {
				t.Errorf("b was told %q, want %q", got, c.b)
			}
			if err := b.echo(a, echoProtocol, "x"); err == nil {
				t.Error("a stream was served")
			}
			if len(a.Peers())+len(b.Peers())+len(a.seen())+len(b.seen()) != 0 {
				t.Errorf("somebody was admitted: %v %v", a.Peers(), b.Peers())
			}
			var r *Refusal
			if _, err := b.Open(context.Background(), a.self, echoProtocol); !errors.As(err, &r) {
				t.Errorf("Open's error tells of no refusal: %v", err)
			}
		})
	}
}

func TestOlderCharterIsBroughtUpToDateFirst(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), testConfig("b", "s1")
	a.gate.charters = []string{"v1", "v2", "v3"}
	b.Gate.(*testGate).charters = []string{"v1"}
	nb := start(t, b)
	meet(t, nb, a)
	if got := nb.gate.known(); !slices.Equal(got, []string{"v1", "v2", "v3"}) {
		t.Errorf("b knows charters %v", got)
	}
	// By the newest charter c is revoked; d has not heard of it, and judges c by it all the same.
	old, revoked := testConfig("d", "s1"), testConfig("c", "s1")
	old.Gate.(*testGate).charters = []string{"v1"}
	revoked.Gate.(*testGate).charters = []string{"v1", "revoke c"}
	d, c := start(t, old), start(t, revoked)
	d.Learn(c.Addrs()...)
	eventually(t, "d refuses c", func() bool { return slices.Contains(d.refusals(), "other c is revoked") })
}

func TestForgedChartersAreRefused(t *testing.T) {
	a, b := testConfig("a", "s1"), start(t, testConfig("b", "s1"))
	a.Gate.(*testGate).charters = []string{"forged"}
	na := start(t, a)
	na.Learn(b.Addrs()...)
	eventually(t, "a is told", func() bool {
		return slices.Contains(na.refusals(), "other your charters do not fit: charter is not signed by remote")
	})
}

func TestChartersFitTheFrame(t *testing.T) {
	g := &testGate{fleet: "f"}
	h := &Host{cfg: Config{Gate: g}}
	for range 40 {
		g.charters = append(g.charters, strings.Repeat("x", 100<<10))
	}
	mine := Hello{Fleet: []byte("f"), Charter: 40}
	if got := h.chartersFor(mine, Hello{Fleet: []byte("f")}); len(got) != 2 {
		t.Errorf("%d charters of 100 KiB in a frame of 256", len(got))
	}
	if got := h.chartersFor(mine, Hello{Fleet: []byte("f"), Charter: 40}); len(got) != 0 {
		t.Errorf("%d charters for a peer that has all", len(got))
	}
	if got := h.chartersFor(mine, Hello{Fleet: []byte("g")}); len(got) != 0 {
		t.Errorf("%d charters for another fleet", len(got))
	}
	g.charters = slices.Repeat([]string{"x"}, 40)
	if got := h.chartersFor(mine, Hello{Fleet: []byte("f")}); len(got) != maxEnvelopes {
		t.Errorf("%d small charters", len(got))
	}
}

func TestStrangerIsServedNothing(t *testing.T) {
	n, r := start(t, testConfig("a", "s1")), newRawPeer(t, keyOf("x"))
	c := r.dial(n)
	early := rawOpen(t, c, echoProtocol, []byte("early"))
	peers := rawOpen(t, c, peersProtocol)
	nameless, err := c.OpenStream(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nameless.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	hello := rawOpen(t, c, helloProtocol, encoded(t, Hello{Fleet: []byte("f")}), encoded(t, [][]byte{}), encoded(t, verdict{OK: true}))
	refusal := readRefusal(t, n, hello)
	if refusal == nil || refusal.Code != CodeCredential || refusal.Text != "no credential" {
		t.Errorf("refusal is %+v", refusal)
	}
	late := rawOpen(t, c, echoProtocol, []byte("late"))
	for name, s := range map[string]network.MuxedStream{"early": early, "peers": peers, "nameless": nameless, "late": late} {
		if !isOver(s, 5*time.Second) {
			t.Errorf("%s: a stream of a stranger was not reset", name)
		}
	}
	if !closes(c, 5*time.Second) {
		t.Error("the stranger's connection stays")
	}
	if len(n.seen()) > 0 {
		t.Errorf("OnPeer told of %v", n.seen())
	}
}

// readRefusal reads what a host answers to a hello, up to its verdict.
func readRefusal(t *testing.T, n *testNode, s network.MuxedStream) *Refusal {
	t.Helper()
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err1 := n.codec.readHello(s)
	_, err2 := n.codec.readCharters(s)
	r, err3 := n.codec.readVerdict(s)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Errorf("read the hello's answer: %v", err)
	}
	return r
}

func TestOtherFleetIsShownNothingButTheFleet(t *testing.T) {
	n, r := start(t, testConfig("a", "s1")), newRawPeer(t, keyOf("x"))
	c := r.dial(n)
	s := rawOpen(t, c, helloProtocol)
	_ = s.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := n.codec.readHello(s); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the answer came before the question: %v", err)
	}
	if _, err := s.Write(encoded(t, Hello{Fleet: []byte("g")})); err != nil {
		t.Fatal(err)
	}
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	h, err := n.codec.readHello(s)
	if err != nil || string(h.Fleet) != "f" || len(h.Credential)+len(h.Addrs)+len(h.Digest)+len(h.Protocols) != 0 || h.Incarnation != 0 {
		t.Errorf("a peer of another fleet is shown %+v, %v", h, err)
	}
}

func TestDiallerServesNothingBeforeHello(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		n, r := start(t, nw.config("a", "s1", "10.0.0.1")), newRawPeer(t, keyOf("x"), nw.options("10.0.0.9")...)
		ln, err := r.tr.Listen(ma.StringCast("/ip4/10.0.0.9/udp/4001/quic-v1"))
		if err != nil {
			t.Fatal(err)
		}
		n.Learn(ln.Multiaddr().String() + "/p2p/" + idOf("x").String())
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		early := rawOpen(t, c, echoProtocol, []byte("early"))
		if !isOver(rawOpen(t, c, helloProtocol, encoded(t, Hello{})), time.Second) {
			t.Error("the dialler answered a hello that was not its to answer")
		}
		if !isOver(early, HelloTimeout+time.Second) || !c.IsClosed() {
			t.Error("the dialler served a stream before the hello")
		}
		if len(n.seen()) > 0 {
			t.Errorf("OnPeer told of %v", n.seen())
		}
		c.Close()
		closeAll(n)
		ln.Close()
	})
}

func TestBadHelloEndsTheConnection(t *testing.T) {
	many := make([]string, maxAddrs+1)
	good := Hello{Fleet: []byte("f"), Credential: fmt.Append(nil, "x s1 ", idOf("x"))}
	for name, frames := range map[string][][]byte{
		"garbage":            {[]byte("GET / HTTP/1.1\r\n\r\n")},
		"too long":           {{0xff, 0xff, 0xff, 0xff}},
		"no CBOR":            {rawFrame([]byte{0xff, 0xff})},
		"empty":              {rawFrame(nil)},
		"other type":         {rawFrame([]byte{0x01})},
		"too many addresses": {encoded(t, Hello{Addrs: many})},
		"long address":       {encoded(t, Hello{Addrs: []string{strings.Repeat("a", maxAddr+1)}})},
		"too many charters":  {encoded(t, good), encoded(t, make([][]byte, maxEnvelopes+1))},
		"long charters":      {encoded(t, good), {0, 0xff, 0, 0}},
		"no verdict":         {encoded(t, good), encoded(t, [][]byte{}), rawFrame([]byte("?"))},
	} {
		t.Run(name, func(t *testing.T) {
			n, r := start(t, testConfig("a", "s1")), newRawPeer(t, keyOf("x"))
			c := r.dial(n)
			rawOpen(t, c, helloProtocol, frames...)
			if !closes(c, 5*time.Second) {
				t.Error("the connection stays")
			}
			if len(n.seen()) > 0 {
				t.Errorf("OnPeer told of %v", n.seen())
			}
		})
	}
}

func TestSecondHelloIsReset(t *testing.T) {
	n, r := start(t, testConfig("a", "s1")), newRawPeer(t, keyOf("x"))
	c := r.dial(n)
	good := encoded(t, Hello{Fleet: []byte("f"), Credential: fmt.Append(nil, "x s1 ", idOf("x"))})
	first := rawOpen(t, c, helloProtocol, good, encoded(t, [][]byte{}), encoded(t, verdict{OK: true}))
	if r := readRefusal(t, n, first); r != nil {
		t.Fatalf("refused: %v", r)
	}
	eventually(t, "x is admitted", func() bool { return n.names() == "x" })
	if !isOver(rawOpen(t, c, helloProtocol, good), 5*time.Second) {
		t.Error("a second hello was answered")
	}
	s := rawOpen(t, c, echoProtocol, []byte("x"))
	if b := make([]byte, 1); readFull(s, b) != nil || !bytes.Equal(b, []byte("x")) {
		t.Error("the admitted connection suffered")
	}
}

func readFull(s network.MuxedStream, b []byte) error {
	_ = s.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := io.ReadFull(s, b)
	return err
}

func TestSilentClientIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		n := start(t, nw.config("a", "s1", "10.0.0.1"))
		r := newRawPeer(t, keyOf("x"), nw.options("10.0.0.9")...)
		c := r.dial(n)
		s := rawOpen(t, c, echoProtocol)
		halfway := r.dial(n)
		rawOpen(t, halfway, helloProtocol, []byte{0})
		time.Sleep(HelloTimeout - time.Second)
		if c.IsClosed() || halfway.IsClosed() {
			t.Error("closed early")
		}
		time.Sleep(2 * time.Second)
		if !c.IsClosed() || !halfway.IsClosed() || !isOver(s, time.Second) {
			t.Error("a client that says nothing is kept")
		}
		c.Close()
		halfway.Close()
		closeAll(n)
	})
}

func (f *fabric) options(ip string) []quicreuse.Option {
	h := Host{cfg: Config{Sockets: fabricSockets{f, mustIP(ip)}}}
	return h.reuseOptions()
}

func TestFloodIsBoundedAndStarvesNobody(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s1", "10.0.0.2"))
		meet(t, a, b)
		var conns []transport.CapableConn
		for i := range 4 { // addresses
			r := newRawPeer(t, keyOf(fmt.Sprint("x", i)), nw.options(fmt.Sprint("10.0.1.", i))...)
			for range maxSource + 6 {
				conns = append(conns, r.dial(a))
			}
		}
		a.Host.mu.Lock()
		pending := len(a.links) - 1
		a.Host.mu.Unlock()
		if pending > maxPending {
			t.Errorf("%d connections are pending", pending)
		}
		for i := range 40 { // streams that wait for a handshake are bounded too
			rawOpen(t, conns[len(conns)-1], fmt.Sprint("/test/", i))
		}
		if err := a.echo(b, echoProtocol, "x"); err != nil {
			t.Errorf("an admitted peer is starved: %v", err)
		}
		c := start(t, nw.config("c", "s1", "10.0.0.3"))
		began := time.Now()
		c.Learn(a.Addrs()...)
		for !c.knows(a) && time.Since(began) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		if time.Since(began) > 2*time.Second {
			t.Errorf("a new peer got in after %v", time.Since(began))
		}
		a.Host.mu.Lock()
		for _, l := range a.links {
			if l.waiting > maxWaiting {
				t.Errorf("%d streams wait for one handshake", l.waiting)
			}
		}
		a.Host.mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
		closeAll(a, b, c)
	})
}

func TestRefusalTextIsPlainAndBounded(t *testing.T) {
	r := foreignRefusal(verdict{Code: "sudo", Text: "\x1b[31mred\x00\n" + strings.Repeat("é", 1000) + "\xff"})
	if r.Code != CodeOther || !r.ByRemote || strings.ContainsAny(r.Text, "\x1b\x00\n") || len(r.Text) > maxText || !strings.HasPrefix(r.Text, " [31mred  é") {
		t.Errorf("%q", r)
	}
	long := refusalOf(fmt.Errorf("gate: %w", &Refusal{Code: CodeCredential, Text: strings.Repeat("x", 5000), Proof: make([]byte, maxProof)}))
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.write(io.Discard, maxVerdict, verdict{Code: long.Code, Text: long.Text, Proof: long.Proof}); err != nil {
		t.Errorf("a long refusal cannot be sent: %v", err)
	}
	if refusalOf(&Refusal{Proof: make([]byte, maxProof+1)}).Proof != nil {
		t.Error("a proof that is too long is not left out")
	}
	if refusalOf(os.ErrClosed).Code != CodeOther {
		t.Error("an error is not a refusal of another kind")
	}
}

// TestRefusalCarriesProof: the refused one gets what it may check for itself.
func TestRefusalCarriesProof(t *testing.T) {
	a := testConfig("a", "s1")
	a.Gate.(*testGate).charters = []string{"prove b"}
	na, b := start(t, a), start(t, testConfig("b", "s1"))
	b.gate.charters = []string{"v1"} // of the same number, so that b does not learn a's
	b.Learn(na.Addrs()...)
	eventually(t, "b is told", func() bool { return slices.Contains(b.refusals(), "credential revoked by remote with proof") })
}

// TestMemberCannotTakeAllConnections: who is let in, and comes again and again, has few connections at a time, and leaves room
// for others.
func TestMemberCannotTakeAllConnections(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a := start(t, nw.config("a", "s1", "10.0.0.1"))
		r := newRawPeer(t, keyOf("x"), nw.options("10.0.1.1")...)
		good := encoded(t, Hello{Fleet: []byte("f"), Credential: fmt.Append(nil, "x s1 ", idOf("x")), Incarnation: 1})
		var conns []transport.CapableConn
		for range 3 * maxTwins {
			c := r.dial(a)
			if r := readRefusal(t, a, rawOpen(t, c, helloProtocol, good, encoded(t, [][]byte{}), encoded(t, verdict{OK: true}))); r != nil {
				t.Fatalf("refused: %v", r)
			}
			conns = append(conns, c)
		}
		time.Sleep(time.Second)
		a.Host.mu.Lock()
		links, twins := len(a.links), len(a.members[idOf("x")].links)
		a.Host.mu.Unlock()
		if links > maxTwins || links != twins {
			t.Errorf("%d connections, %d of them for streams", links, twins)
		}
		if last := conns[len(conns)-1]; last.IsClosed() {
			t.Error("the newest is closed")
		}
		if got := a.seen(); len(got) != 1 {
			t.Errorf("told of %v", got)
		}
		for _, c := range conns {
			c.Close()
		}
		closeAll(a)
	})
}
