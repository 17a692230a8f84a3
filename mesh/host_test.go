package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

func TestTwoNodesMeet(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s1"))
	meet(t, a, b)
	for _, protocol := range []string{echoProtocol, bulkProtocol} {
		if err := errors.Join(a.echo(b, protocol, "hello"), b.echo(a, protocol, "hello")); err != nil {
			t.Fatal(err)
		}
	}
	p := a.Peers()[0]
	if p.Peer != (Peer{idOf("b"), "b", "s1"}) || p.RTT <= 0 || p.RTT > time.Second || p.Addr == "" {
		t.Errorf("peer is %+v", p)
	}
	if tr := a.Traffic(); tr.LANUp == 0 || tr.LANDown == 0 || tr.UplinkUp != 0 || tr.UplinkDown != 0 {
		t.Errorf("traffic within the site is counted as %+v", tr)
	}
	c, err := a.Open(context.Background(), b.self, echoProtocol)
	if err != nil {
		t.Fatal(err)
	}
	if c.LocalAddr().String() != listening(t, a) || c.RemoteAddr().String() != listening(t, b) {
		t.Errorf("the stream goes from %s to %s", c.LocalAddr(), c.RemoteAddr())
	}
	c.Close()
	b.stop()
	eventually(t, "a is told that b went", func() bool { return slices.Equal(a.seen(), []string{"+b", "-b"}) })
}

func TestTrafficWithOtherSitesIsUplink(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s2"))
	meet(t, a, b)
	if err := a.echo(b, bulkProtocol, string(make([]byte, 100<<10))); err != nil {
		t.Fatal(err)
	}
	before := a.Traffic()
	if before.UplinkUp < 100<<10 || before.UplinkDown < 100<<10 || before.LANUp != 0 {
		t.Errorf("traffic with another site is counted as %+v", before)
	}
	b.stop()
	eventually(t, "b is gone", func() bool { return len(a.Peers()) == 0 })
	if after := a.Traffic(); after.UplinkUp < before.UplinkUp || after.UplinkDown < before.UplinkDown {
		t.Errorf("traffic went back from %+v to %+v", before, after)
	}
}

func TestLateListenerIsToldOfThoseThere(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s1"))
	meet(t, a, b)
	told := make(chan string, 1)
	a.OnPeer(func(p Peer, up bool) { told <- p.Name })
	select {
	case name := <-told:
		if name != "b" {
			t.Errorf("told of %q", name)
		}
	case <-time.After(5 * time.Second):
		t.Error("told of nobody")
	}
}

func TestSlowListenerIsToldOfTheNewest(t *testing.T) {
	h := &Host{members: map[ident.NodeID]*member{}, news: make(chan struct{}, 1)}
	var told []bool
	h.OnPeer(func(_ Peer, up bool) { told = append(told, up) })
	id := idOf("b")
	set := func(m *member) {
		if m == nil {
			delete(h.members, id)
		} else {
			h.members[id] = m
		}
		h.tell(id)
	}
	drain := func() []bool {
		told = nil
		for call := h.next(); call != nil; call = h.next() {
			call()
		}
		return told
	}
	one, two := &member{}, &member{}
	for _, step := range []struct {
		name string
		what []*member
		want []bool
	}{
		{"came and went", []*member{one, nil}, nil},
		{"came", []*member{one}, []bool{true}},
		{"went and came", []*member{nil, two}, []bool{false, true}},
		{"restarted often", []*member{one, two, one, two, one}, []bool{false, true}},
		{"went", []*member{nil}, []bool{false}},
	} {
		for _, m := range step.what {
			set(m)
		}
		if got := drain(); !slices.Equal(got, step.want) {
			t.Errorf("%s: told %v, want %v", step.name, got, step.want)
		}
	}
	for range 1000 {
		set(one)
		set(nil)
	}
	if len(h.changed) > 1 {
		t.Errorf("%d entries wait to be told for one node", len(h.changed))
	}
}

func TestOpenWithoutAddress(t *testing.T) {
	a := start(t, testConfig("a", "s1"))
	if _, err := a.Open(context.Background(), idOf("b"), echoProtocol); !errors.Is(err, ErrUnknown) {
		t.Errorf("error is %v, want ErrUnknown", err)
	}
}

func TestOpenDialsAndEndsWithItsContext(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s2"))
	a.gate.slow = make(chan struct{})
	a.Learn(b.Addrs()...)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Open(ctx, b.self, echoProtocol); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	close(a.gate.slow)
	if err := a.echo(b, echoProtocol, "x"); err != nil {
		t.Error(err)
	}
}

func TestUnknownProtocolIsReset(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s1"))
	meet(t, a, b)
	if err := a.echo(b, "/test/nobody", "x"); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stream that nobody serves ended with %v", err)
	}
	if err := a.echo(b, string(make([]byte, maxProtocol+1)), "x"); !errors.Is(err, errFrame) {
		t.Errorf("a name beyond the bound ended with %v", err)
	}
}

func TestDropKeepsOut(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s1", "10.0.0.2"))
		meet(t, a, b)
		a.Drop(b.self, "it sent junk", time.Minute)
		time.Sleep(10 * time.Second)
		if want := "dropped you have misbehaved, and may come again later by remote"; !slices.Contains(b.refusals(), want) {
			t.Errorf("b was told %q", b.refusals())
		}
		var r *Refusal
		if _, err := a.Open(context.Background(), b.self, echoProtocol); !errors.As(err, &r) || r.Code != CodeDropped {
			t.Errorf("opening to a dropped peer: %v", err)
		}
		time.Sleep(45 * time.Second)
		if a.knows(b) || b.knows(a) {
			t.Error("b was let in early")
		}
		time.Sleep(20 * time.Second)
		if !a.knows(b) || !b.knows(a) {
			t.Error("b was not let in again")
		}
		closeAll(a, b)
	})
}

func TestPortTaken(t *testing.T) {
	a := start(t, testConfig("a", "s1"))
	cfg := testConfig("b", "s1")
	cfg.Listen = []string{listening(t, a)}
	if _, err := New(cfg); !errors.Is(err, ErrAddrInUse) {
		t.Errorf("error is %v, want ErrAddrInUse", err)
	}
}

// listening returns host:port of a node.
func listening(t *testing.T, n *testNode) string {
	t.Helper()
	ip, port := splitUDP(t, n.Addrs()[0])
	return net.JoinHostPort(ip, port)
}

func TestConfigIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"key":    func(c *Config) { c.Key = c.Key[:10] },
		"site":   func(c *Config) { c.Site = "" },
		"gate":   func(c *Config) { c.Gate = nil },
		"listen": func(c *Config) { c.Listen = nil },
		"host":   func(c *Config) { c.Listen = []string{"nowhere"} },
		"port":   func(c *Config) { c.Listen = []string{"127.0.0.1:70000"} },
		"zone":   func(c *Config) { c.Listen = []string{"[fe80::1%lo]:0"} },
	} {
		cfg := testConfig("a", "s1")
		spoil(&cfg)
		if h, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
			_ = h.Close()
		}
	}
}

func TestCloseWaitsForHandlers(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s1"))
	in, out := make(chan struct{}), make(chan struct{})
	b.Handle("/test/slow", func(_ ident.NodeID, c net.Conn) {
		defer c.Close()
		close(in)
		_, _ = c.Read(make([]byte, 1)) // ends when the connection does
		time.Sleep(50 * time.Millisecond)
		close(out)
	})
	meet(t, a, b)
	c, err := a.Open(context.Background(), b.self, "/test/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-in
	b.stop()
	if !isClosed(out) {
		t.Error("Close returned before the handler")
	}
	b.stop() // once more is fine
}

// TestShun: who is shunned loses its connections, is not dialled, and others do not hear of it; it may come back.
func TestShun(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s1"))
	meet(t, a, b)
	a.Shun([]ident.NodeID{b.self})
	eventually(t, "b is gone", func() bool { return len(a.Connected()) == 0 })
	if _, err := a.Open(context.Background(), b.self, echoProtocol); !errors.Is(err, errShunned) {
		t.Errorf("open: %v", err)
	}
	if listed := a.list(a.self); len(listed) != 0 {
		t.Errorf("a tells of %v", listed)
	}
	a.Shun(nil)
	eventually(t, "a dials b again", func() bool { return len(a.Connected()) == 1 })
}

// TestShunDuringHello: who is shunned between the gate's word and the end of the handshake is not let in either: a peer that is slow to
// end it, on purpose, would stay.
func TestShunDuringHello(t *testing.T) {
	n, r := start(t, testConfig("a", "s1")), newRawPeer(t, keyOf("x"))
	c := r.dial(n)
	good := encoded(t, Hello{Fleet: []byte("f"), Credential: fmt.Append(nil, "x s1 ", idOf("x"))})
	hello := rawOpen(t, c, helloProtocol, good, encoded(t, [][]byte{}))
	if r := readRefusal(t, n, hello); r != nil {
		t.Fatalf("refused: %v", r)
	}
	n.Shun([]ident.NodeID{idOf("x")})
	if _, err := hello.Write(encoded(t, verdict{OK: true})); err != nil {
		t.Fatal(err)
	}
	if !closes(c, 5*time.Second) {
		t.Error("the connection stays")
	}
	if got := n.seen(); len(got) > 0 {
		t.Errorf("OnPeer told of %v", got)
	}
}

// TestRetire: who is retired has no connections any more, whoever dials.
func TestRetire(t *testing.T) {
	a, b := start(t, testConfig("a", "s1")), start(t, testConfig("b", "s1"))
	meet(t, a, b)
	a.Retire()
	eventually(t, "b is refused", func() bool {
		return slices.Contains(b.refusals(), "other this node was revoked, and lets nobody in by remote")
	})
	if len(a.Connected()) != 0 {
		t.Error("a is connected")
	}
}
