package mesh

import (
	"net"
	"strings"
	"testing"
)

// splitUDP takes IP and port out of a multiaddr.
func splitUDP(t testing.TB, addr string) (ip, port string) {
	t.Helper()
	p := strings.Split(addr, "/")
	if len(p) < 6 || p[3] != "udp" || p[5] != "quic-v1" {
		t.Fatalf("%q is not QUIC over UDP", addr)
	}
	return p[2], p[4]
}

func TestListenStrings(t *testing.T) {
	v6 := hasIPv6()
	for _, c := range []struct {
		listen   string
		ip4, ip6 bool
	}{
		{":0", true, true},
		{"[::]:0", true, true},
		{"0.0.0.0:0", true, false},
		{"localhost:0", true, false},
		{"127.0.0.1:0", true, false},
		{"[::1]:0", false, true},
	} {
		if c.ip6 && !c.ip4 && !v6 {
			continue
		}
		cfg := testConfig("a", "s1")
		cfg.Listen = []string{c.listen}
		n := start(t, cfg)
		var ip4, ip6 bool
		for _, a := range n.swarm.ListenAddresses() {
			ip4 = ip4 || strings.HasPrefix(a.String(), "/ip4/")
			ip6 = ip6 || strings.HasPrefix(a.String(), "/ip6/")
		}
		if ip4 != c.ip4 || ip6 != (c.ip6 && v6) {
			t.Errorf("%s listens on %v", c.listen, n.swarm.ListenAddresses())
		}
		for _, a := range n.Addrs() {
			if _, _, err := SplitAddr(a); err != nil {
				t.Errorf("%s has an address that nobody can dial: %v", c.listen, err)
			}
		}
		if len(n.Addrs()) == 0 || len(n.Addrs()) > maxAddrs {
			t.Errorf("%s has addresses %v", c.listen, n.Addrs())
		}
		n.stop()
	}
}

func hasIPv6() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestNodesMeetOverIPv6(t *testing.T) {
	if !hasIPv6() {
		t.Skip("this machine has no IPv6")
	}
	cfg := testConfig("a", "s1")
	cfg.Listen = []string{"[::1]:0"}
	a := start(t, cfg)
	cfg = testConfig("b", "s1")
	cfg.Listen = []string{":0"}
	b := start(t, cfg)
	meet(t, b, a)
	if err := a.echo(b, echoProtocol, "x"); err != nil {
		t.Error(err)
	}
}

func TestBothFamiliesHaveOnePort(t *testing.T) {
	cfg := testConfig("a", "s1")
	cfg.Listen = []string{":0"}
	a := start(t, cfg)
	ports := map[string]bool{}
	for _, m := range a.swarm.ListenAddresses() {
		_, port := splitUDP(t, m.String())
		ports[port] = true
	}
	if len(ports) != 1 {
		t.Errorf("listens on %v", a.swarm.ListenAddresses())
	}
}
