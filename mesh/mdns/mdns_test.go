package mdns

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/zeroconf/v2"

	"selvage/internal/ident"
)

func newNode(t *testing.T) ident.NodeID {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ident.FromPublicKey(pub)
}

func TestEndpoint(t *testing.T) {
	for addr, want := range map[string]string{
		"/ip4/10.0.0.1/udp/4001/quic-v1":       "10.0.0.1 4001",
		"/ip4/10.0.0.1/udp/4001/quic-v1/p2p/x": "10.0.0.1 4001",
		"/ip6/fd00::1/udp/1/quic-v1":           "fd00::1 1",
		"/ip4/10.0.0.1/tcp/4001":               "",
		"/dns/node.example/udp/4001/quic-v1":   "",
		"/ip4/nowhere/udp/4001/quic-v1":        "",
		"/ip4/10.0.0.1/udp/0/quic-v1":          "",
		"/ip4/10.0.0.1/udp/70000/quic-v1":      "",
		"/ip4/10.0.0.1/udp/-1/quic-v1":         "",
		"x/ip4/10.0.0.1/udp/1":                 "",
		"/ip4/10.0.0.1/udp":                    "",
		"":                                     "",
	} {
		ip, port, ok := endpoint(addr)
		if got := fmt.Sprint(ip, " ", port); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %v", addr, got, ok)
		}
	}
}

func TestAnnouncementLeavesOutWhatIsOfNoUse(t *testing.T) {
	long := "/ip4/10.0.0.1/udp/4001/quic-v1/p2p/" + strings.Repeat("x", maxText)
	texts, ips, port := announcement([]string{"/ip4/127.0.0.1/udp/1/quic-v1", long, "/ip4/10.0.0.2/udp/4002/quic-v1", "/ip6/::1/udp/1", "junk"})
	if !slices.Equal(texts, []string{"addr=/ip4/10.0.0.2/udp/4002/quic-v1"}) || !slices.Equal(ips, []string{"10.0.0.2"}) || port != 4002 {
		t.Errorf("announced are %v %v %d", texts, ips, port)
	}
	if _, err := (Discovery{"f"}).Start(newNode(t), []string{"/ip4/127.0.0.1/udp/1/quic-v1"}, nil); !errors.Is(err, errNoAddress) {
		t.Errorf("error is %v", err)
	}
}

func TestTellPassesOnAddressesOnly(t *testing.T) {
	entries, got := make(chan *zeroconf.ServiceEntry, 2), []string(nil)
	texts := []string{"", "addr=", "addr=/dns/evil.example/udp/1/quic-v1", "/ip4/10.0.0.1/udp/1", "addr=/ip4/10.0.0.1/udp/1/quic-v1"}
	flood := slices.Repeat([]string{"addr=/ip4/10.0.0.2/udp/1/quic-v1"}, 100)
	entries <- &zeroconf.ServiceEntry{Text: texts}
	entries <- &zeroconf.ServiceEntry{Text: flood}
	close(entries)
	tell(entries, nil, func(a string) { got = append(got, a) }, nil)
	if len(got) != 1+maxTexts || got[0] != "/ip4/10.0.0.1/udp/1/quic-v1" {
		t.Errorf("found %v", got)
	}
	over := make(chan struct{})
	close(over)
	tell(make(chan *zeroconf.ServiceEntry), over, nil, nil) // returns, though nobody closes entries
}

// TestBrowserEndsWhenItHasHeardMuch: what a flood of announcements leaves behind is bounded.
func TestBrowserEndsWhenItHasHeardMuch(t *testing.T) {
	entries, got, ended := make(chan *zeroconf.ServiceEntry), 0, 0
	go func() {
		defer close(entries)
		for range 2 * maxHeard {
			entries <- &zeroconf.ServiceEntry{Text: []string{"addr=/ip4/10.0.0.1/udp/1/quic-v1"}}
		}
	}()
	tell(entries, nil, func(string) { got++ }, func() { ended = max(ended, got) })
	if got != maxHeard || ended < maxHeard-1 {
		t.Errorf("told of %d; the browser was to end after %d", got, ended)
	}
}

// lanAddress returns an address of this machine that multicast can go out from.
func lanAddress(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Skip("this machine does not tell its interfaces: ", err)
	}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				return n.IP.String()
			}
		}
	}
	t.Skip("this machine has no interface with multicast and an IPv4 address")
	return ""
}

// multicastWorks sends itself a packet by multicast.
func multicastWorks(t *testing.T) bool {
	t.Helper()
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	in, err := net.ListenMulticastUDP("udp4", nil, group)
	if err != nil {
		return false
	}
	defer in.Close()
	out, err := net.DialUDP("udp4", nil, group)
	if err != nil {
		return false
	}
	defer out.Close()
	_ = in.SetReadDeadline(time.Now().Add(2 * time.Second))
	for range 3 {
		if _, err := out.Write([]byte("selvage test")); err != nil {
			return false
		}
	}
	buf := make([]byte, 1500)
	for {
		n, err := in.Read(buf)
		if err != nil {
			return false
		}
		if string(buf[:n]) == "selvage test" {
			return true
		}
	}
}

func TestNodesFindEachOtherByMulticast(t *testing.T) {
	ip := lanAddress(t)
	if !multicastWorks(t) {
		t.Skip("multicast does not come back on this machine")
	}
	a, b, stranger := newNode(t), newNode(t), newNode(t)
	fleet := fmt.Sprintf("%x", a[:4])
	addr := func(id ident.NodeID, port int) string {
		return fmt.Sprintf("/ip4/%s/udp/%d/quic-v1/p2p/%s", ip, port, id)
	}
	found := make(chan string, 1000)
	var stops []func()
	for i, n := range []struct {
		fleet string
		id    ident.NodeID
		found func(string)
	}{
		{fleet, a, func(s string) { found <- s }},
		{fleet, b, func(string) {}},
		{"another fleet", stranger, func(string) {}},
	} {
		stop, err := Discovery{n.fleet}.Start(n.id, []string{addr(n.id, 4001+i)}, n.found)
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	deadline := time.After(15 * time.Second)
	for met := false; !met; {
		select {
		case s := <-found:
			if strings.Contains(s, stranger.String()) {
				t.Errorf("a node of another fleet was found: %s", s)
			}
			met = s == addr(b, 4002)
		case <-deadline:
			t.Fatal("b was not found within 15 s")
		}
	}
	for _, stop := range stops {
		stop()
	}
}
