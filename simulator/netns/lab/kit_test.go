//go:build linux

package lab

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"selvage/simulator/network"
)

// newLab makes a lab, which goes with the test; the test is skipped where there can be none.
func newLab(t testing.TB) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	l, err := New()
	skipUnable(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// skipUnable skips a test that this machine cannot do.
func skipUnable(t testing.TB, err error) {
	t.Helper()
	var u *Unable
	if errors.As(err, &u) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// addSite adds a site with hosts named a, b and so on.
func addSite(t testing.TB, l *Lab, name string, cfg network.SiteConfig, hosts int) *Site {
	t.Helper()
	s, err := l.AddSite(name, cfg)
	skipUnable(t, err)
	for i := range hosts {
		if _, err := s.AddHost(string(rune('a' + i))); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func listen(t testing.TB, h *Host) *net.UDPConn {
	t.Helper()
	c, err := h.ListenUDP(4000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// quickest is arrives, at the best of some tries: a busy machine is late.
func quickest(t testing.TB, from, to *net.UDPConn) (ok bool, least time.Duration) {
	t.Helper()
	least = time.Hour
	for range 5 {
		if arrived, took := arrives(t, from, to); arrived {
			ok, least = true, min(least, took)
		}
	}
	return ok, least
}

// arrives reports whether a packet gets from one socket to another, and after how long.
func arrives(t testing.TB, from, to *net.UDPConn) (bool, time.Duration) {
	t.Helper()
	begin := time.Now()
	if _, err := from.WriteTo([]byte("hello"), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := to.SetReadDeadline(begin.Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	n, _, err := to.ReadFrom(b)
	return err == nil && string(b[:n]) == "hello", time.Since(begin)
}
