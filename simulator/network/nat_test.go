package network

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// natNet is two sites with hosts at port 9, and a third without a NAT.
func natNet(t *testing.T, n *Net, a, b NAT) (at map[string]net.PacketConn) {
	at = map[string]net.PacketConn{}
	for i, kind := range []NAT{a, b, NoNAT} {
		s := site(t, n, []string{"x", "y", "z"}[i], SiteConfig{NAT: kind}, 2)
		for _, h := range s.Hosts() {
			at[h.String()] = listen(t, h, 9)
		}
	}
	return at
}

// from reads one packet at most, and tells from where it came.
func from(t *testing.T, c net.PacketConn) *net.UDPAddr {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	_, a, err := c.ReadFrom(make([]byte, 100))
	if err != nil {
		return nil
	}
	return a.(*net.UDPAddr)
}

func passes(t *testing.T, a net.PacketConn, to net.Addr, b net.PacketConn) bool {
	t.Helper()
	send(t, a, to, 10)
	return from(t, b) != nil
}

func TestNATSeesAndFilters(t *testing.T) {
	for _, kind := range []NAT{EndpointIndependent, Symmetric} {
		bubble(t, func(t *testing.T, n *Net) {
			at := natNet(t, n, kind, NoNAT)
			x, y, z, z2 := at["x/a"], at["y/a"], at["z/a"], at["z/b"]
			public, _ := n.Site("x").Public()
			send(t, x, z.LocalAddr(), 10)
			seen := from(t, z)
			if seen == nil || seen.AddrPort().Addr() != public {
				t.Fatalf("%v: seen at %v, want %v", kind, seen, public)
			}
			send(t, x, y.LocalAddr(), 10)
			other := from(t, y)
			if same := other.Port == seen.Port; same != (kind == EndpointIndependent) {
				t.Errorf("%v: seen at %v and %v", kind, seen, other)
			}
			for _, c := range []struct {
				what string
				from net.PacketConn
				to   net.Addr
				want bool
			}{
				{"an answer", z, seen, true},
				{"another host of that site", z2, seen, false},
				{"another port of that host", listen(t, n.Site("z").Host("a"), 10), seen, false},
				{"to the private address", z, x.LocalAddr(), false},
				{"to a port of nobody", z, &net.UDPAddr{IP: seen.IP, Port: 7}, false},
			} {
				if got := passes(t, c.from, c.to, x); got != c.want {
					t.Errorf("%v: %s passes: %v", kind, c.what, got)
				}
			}
			if !passes(t, at["x/b"], x.LocalAddr(), x) {
				t.Errorf("%v: the LAN has a NAT", kind)
			}
			if passes(t, at["x/b"], seen, x) {
				t.Errorf("%v: has a hairpin", kind)
			}
		})
	}
}

// TestHolePunching has two hosts behind NATs write to where a third saw each of them.
func TestHolePunching(t *testing.T) {
	for _, c := range []struct {
		a, b NAT
		want bool
	}{{EndpointIndependent, EndpointIndependent, true}, {EndpointIndependent, Symmetric, false}, {Symmetric, Symmetric, false},
		{NoNAT, Symmetric, true}, {NoNAT, EndpointIndependent, true}} {
		bubble(t, func(t *testing.T, n *Net) {
			at := natNet(t, n, c.a, c.b)
			x, y, z := at["x/a"], at["y/a"], at["z/a"]
			send(t, x, z.LocalAddr(), 10)
			seenX := from(t, z)
			send(t, y, z.LocalAddr(), 10)
			seenY := from(t, z)
			for range 3 { // the first of each may find a closed door
				send(t, x, seenY, 10)
				send(t, y, seenX, 10)
			}
			time.Sleep(time.Second)
			got := from(t, x) != nil && from(t, y) != nil
			if c.a == NoNAT { // then one way was open, and an answer comes back
				a := from(t, x)
				got = a != nil && passes(t, x, a, y)
			}
			if got != c.want {
				t.Errorf("%v and %v: through is %v, want %v", c.a, c.b, got, c.want)
			}
		})
	}
}

func TestMappingsExpire(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		at := natNet(t, n, Symmetric, NoNAT)
		x, z := at["x/a"], at["z/a"]
		send(t, x, z.LocalAddr(), 10)
		first := from(t, z)
		for range 3 { // used in either direction
			time.Sleep(DefaultNATIdle - time.Second)
			if !passes(t, z, first, x) {
				t.Fatal("a mapping that is used was forgotten")
			}
		}
		time.Sleep(DefaultNATIdle)
		if passes(t, z, first, x) {
			t.Error("an idle mapping was kept")
		}
		send(t, x, z.LocalAddr(), 10)
		if again := from(t, z); again.Port == first.Port {
			t.Error("a new mapping is the old one")
		}
		if got := n.Site("x").Counters().Down.Dropped[Unmapped]; got != 1 {
			t.Errorf("%d drops were counted", got)
		}
	})
}

func TestRemotesExpireOneByOne(t *testing.T) {
	n := newNAT(EndpointIndependent, time.Minute, netip.MustParseAddr("11.0.0.1"), rand.New(rand.NewPCG(1, 2)))
	in, one, two := ap("10.0.0.1:5"), ap("10.0.1.1:1"), ap("10.0.1.1:2")
	port := n.out(0, in, one).outer.Port()
	n.out(40*time.Second, in, two)
	if n.in(80*time.Second, port, one) != nil {
		t.Error("a remote that was idle is let in")
	}
	if n.in(80*time.Second, port, two) == nil {
		t.Error("a remote that was not is kept out")
	}
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestNATKeepsPortsIfFree(t *testing.T) {
	n := newNAT(EndpointIndependent, 0, netip.MustParseAddr("11.0.0.1"), rand.New(rand.NewPCG(1, 2)))
	to := ap("10.0.1.1:1")
	if got := n.out(0, ap("10.0.0.1:4001"), to).outer.Port(); got != 4001 {
		t.Errorf("a free port became %d", got)
	}
	if got := n.out(0, ap("10.0.0.2:4001"), to).outer.Port(); got == 4001 || got < lowestOuter {
		t.Errorf("a taken port became %d", got)
	}
	if got := n.out(DefaultNATIdle, ap("10.0.0.2:4001"), to).outer.Port(); got != 4001 {
		t.Errorf("a port that was idle became %d", got)
	}
}

func TestNATIsBounded(t *testing.T) {
	n := newNAT(Symmetric, 0, netip.MustParseAddr("11.0.0.1"), rand.New(rand.NewPCG(1, 2)))
	in := ap("10.0.0.1:4001")
	remote := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1)
	}
	var ports []int
	for i := range maxMappings {
		m := n.out(0, in, remote(i))
		if m == nil {
			t.Fatalf("no room after %d mappings", i)
		}
		ports = append(ports, int(m.outer.Port()))
	}
	slices.Sort(ports)
	if got := len(slices.Compact(ports)); got != maxMappings || ports[0] < lowestOuter {
		t.Errorf("%d mappings have %d ports from %d", maxMappings, got, ports[0])
	}
	if n.out(0, in, remote(maxMappings)) != nil {
		t.Error("one mapping too many was made")
	}
	if n.out(DefaultNATIdle, in, remote(maxMappings)) == nil {
		t.Error("idle mappings make no room")
	}
	e := newNAT(EndpointIndependent, 0, netip.MustParseAddr("11.0.0.1"), rand.New(rand.NewPCG(1, 2)))
	for i := range maxRemotes {
		e.out(0, in, remote(i))
	}
	if e.out(time.Second, in, remote(maxRemotes)) != nil {
		t.Error("one remote too many was admitted")
	}
	if e.out(DefaultNATIdle, in, remote(maxRemotes)) == nil {
		t.Error("idle remotes make no room")
	}
}
