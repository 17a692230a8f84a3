package network

import (
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test on a network in virtual time. The bubble fails if a goroutine is left at its end.
func bubble(t *testing.T, f func(t *testing.T, n *Net)) {
	t.Helper()
	bubbleOf(t, Config{Tick: 1}, f)
}

func bubbleOf(t *testing.T, cfg Config, f func(t *testing.T, n *Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Rand == nil {
			cfg.Rand = rand.NewPCG(1, 2)
		}
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}()
		f(t, n)
	})
}

// site adds a site with hosts named a, b and so on.
func site(t testing.TB, n *Net, name string, cfg SiteConfig, hosts int) *Site {
	t.Helper()
	s, err := n.AddSite(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range hosts {
		if _, err := s.AddHost(string(rune('a' + i))); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func listen(t testing.TB, h *Host, port int) net.PacketConn {
	t.Helper()
	c, err := h.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t testing.TB, c net.PacketConn, to net.Addr, size int) {
	t.Helper()
	if n, err := c.WriteTo(make([]byte, size), to); n != size || err != nil {
		t.Fatalf("sent %d bytes: %v", n, err)
	}
}

// reads returns what has come to a socket within a time: from whom, and how long after the call.
func reads(t testing.TB, c net.PacketConn, within time.Duration) (from []string, after []time.Duration) {
	t.Helper()
	begin := time.Now()
	if err := c.SetReadDeadline(begin.Add(within)); err != nil {
		t.Fatal(err)
	}
	defer c.SetReadDeadline(time.Time{})
	b := make([]byte, 2000)
	for {
		_, a, err := c.ReadFrom(b)
		if err != nil {
			return from, after
		}
		from, after = append(from, a.String()), append(after, time.Since(begin))
	}
}
