package network

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestListen(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := site(t, n, "a", SiteConfig{}, 2).Host("b")
		own := net.IPv4(10, 0, 0, 2)
		for _, c := range []struct {
			network string
			ip      net.IP
			port    int
			want    string
			err     error
		}{
			{"udp4", own, 4001, "10.0.0.2:4001", nil},
			{"udp4", own, 4001, "", syscall.EADDRINUSE},
			{"udp", net.IPv4zero, 4001, "", syscall.EADDRINUSE},
			{"udp", net.IPv6zero, 4002, "10.0.0.2:4002", nil},
			{"udp4", nil, 0, "10.0.0.2:32768", nil},
			{"udp4", net.IPv4zero, 0, "10.0.0.2:32769", nil},
			{"udp6", net.IPv6zero, 0, "", syscall.EAFNOSUPPORT},
			{"udp4", net.IPv4(10, 0, 0, 1), 0, "", syscall.EADDRNOTAVAIL},
			{"udp4", net.IPv4(127, 0, 0, 1), 0, "", syscall.EADDRNOTAVAIL},
			{"tcp", nil, 0, "", net.UnknownNetworkError("tcp")},
		} {
			p, err := h.ListenUDP(c.network, &net.UDPAddr{IP: c.ip, Port: c.port})
			if !errors.Is(err, c.err) {
				t.Errorf("listen on %s %v:%d: error %v, want %v", c.network, c.ip, c.port, err, c.err)
			}
			if err == nil && p.LocalAddr().String() != c.want {
				t.Errorf("listen on %s %v:%d: at %v, want %v", c.network, c.ip, c.port, p.LocalAddr(), c.want)
			}
		}
		if _, err := h.ListenUDP("udp", &net.UDPAddr{Port: 65536}); err == nil {
			t.Error("a port of 17 bits was opened")
		}
		if ip, err := h.SourceFor(&net.UDPAddr{IP: net.IPv4(10, 0, 9, 1)}); err != nil || !ip.Equal(own) {
			t.Errorf("source is %v, %v", ip, err)
		}
		if _, err := h.SourceFor(&net.UDPAddr{IP: net.IPv6loopback}); err == nil {
			t.Error("there is a way to an address of IPv6")
		}
	})
}

func TestFreePorts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := site(t, n, "a", SiteConfig{}, 1).Host("a")
		first := listen(t, h, 0)
		for range ports - 1 {
			listen(t, h, 0)
		}
		if _, err := h.ListenUDP("udp4", nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("all ports are taken: error %v", err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if got := listen(t, h, 0).LocalAddr().String(); got != first.LocalAddr().String() {
			t.Errorf("the free port is %s, want %s", got, first.LocalAddr())
		}
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		c := listen(t, site(t, n, "a", SiteConfig{}, 1).Host("a"), 1)
		begin := time.Now()
		read := func() (time.Duration, error) {
			_, _, err := c.ReadFrom(make([]byte, 10))
			return time.Since(begin), err
		}
		_ = c.SetDeadline(begin.Add(time.Second))
		if at, err := read(); at != time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read with a deadline ends after %v: %v", at, err)
		}
		_ = c.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { _ = c.SetReadDeadline(begin.Add(4 * time.Second)) })
		if at, err := read(); at != 4*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a read that gets a deadline ends after %v: %v", at, err)
		}
		_ = c.SetReadDeadline(begin.Add(time.Minute))
		send(t, c, c.LocalAddr(), 5)
		if at, err := read(); at != 4*time.Second || err != nil {
			t.Errorf("a packet came after %v: %v", at, err)
		}
		_ = c.SetReadDeadline(begin)
		if _, err := read(); err == nil {
			t.Error("a read in the past waits")
		}
		var e net.Error
		if _, err := read(); !errors.As(err, &e) || !e.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
	})
}

func TestCloseWakesReaders(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := site(t, n, "a", SiteConfig{}, 1).Host("a")
		one, two := listen(t, h, 1), listen(t, h, 2)
		var wg sync.WaitGroup
		for _, c := range []net.PacketConn{one, one, two} {
			wg.Go(func() {
				if _, _, err := c.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("a read of a closed socket: %v", err)
				}
			})
		}
		time.Sleep(time.Second)
		if err := one.Close(); err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if _, err := two.WriteTo(nil, one.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed network is written to: %v", err)
		}
		if _, err := h.ListenUDP("udp4", nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed network is listened on: %v", err)
		}
		if _, err := n.AddSite("b", SiteConfig{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a site is added to a closed network: %v", err)
		}
		n.Cut(h.Site(), Anywhere, false).Heal()
		if got := h.Site().Counters().LAN.Packets + h.Counters().Sent.Packets; got != 0 {
			t.Errorf("%d packets were counted", got)
		}
	})
}

func TestBufferIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		s := site(t, n, "a", SiteConfig{}, 2)
		from, to := listen(t, s.Host("a"), 0), listen(t, s.Host("b"), 1)
		const wire = 1 << 10
		for range maxBuffer/wire + 10 {
			send(t, from, to.LocalAddr(), wire-Headers)
		}
		time.Sleep(time.Second)
		c := s.Host("b").Counters().Received
		if c.Packets != maxBuffer/wire || c.Dropped[BufferFull] != 10 {
			t.Errorf("received %+v", c)
		}
		waits(t, to)
		send(t, from, to.LocalAddr(), 10)
		if got, _ := reads(t, to, time.Second); len(got) != maxBuffer/wire {
			t.Errorf("%d packets were read", len(got))
		}
	})
}

func TestWriteErrors(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		h := site(t, n, "a", SiteConfig{}, 1).Host("a")
		c := listen(t, h, 1)
		for _, w := range []struct {
			size int
			to   net.Addr
			want error
		}{
			{65508, c.LocalAddr(), syscall.EMSGSIZE},
			{1, &net.UDPAddr{IP: net.IPv6loopback}, syscall.EAFNOSUPPORT},
			{1, &net.TCPAddr{}, syscall.EINVAL},
			{1, nil, syscall.EINVAL},
		} {
			if _, err := c.WriteTo(make([]byte, w.size), w.to); !errors.Is(err, w.want) {
				t.Errorf("%d bytes to %v: error %v, want %v", w.size, w.to, err, w.want)
			}
		}
		for _, to := range []net.IP{{10, 0, 0, 9}, {10, 9, 0, 1}, {11, 0, 0, 1}, {127, 0, 0, 1}, {8, 8, 8, 8}, h.Addr().AsSlice()} {
			send(t, c, &net.UDPAddr{IP: to, Port: 2}, 1)
		}
		if got := h.Counters().Sent.Dropped[NobodyThere]; got != 6 {
			t.Errorf("%d packets found nobody, want 6", got)
		}
	})
}

// TestBytesArrive also in sizes that are not of the pool, and cut off where they are read into less.
func TestBytesArrive(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		s := site(t, n, "a", SiteConfig{LAN: Link{MTU: 65535}}, 2)
		from, to := listen(t, s.Host("a"), 0), listen(t, s.Host("b"), 1)
		for _, size := range []int{0, 1, 1472, 9000, 65507} {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(i * size)
			}
			if _, err := from.WriteTo(b, to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			want := string(b)
			clear(b) // a sender may use its buffer again
			got := make([]byte, 70_000)
			k, addr, err := to.ReadFrom(got)
			if err != nil || string(got[:k]) != want || addr.String() != from.LocalAddr().String() {
				t.Errorf("%d bytes arrive as %d from %v: %v", size, k, addr, err)
			}
		}
		send(t, from, to.LocalAddr(), 100)
		if k, _, err := to.ReadFrom(make([]byte, 10)); k != 10 || err != nil {
			t.Errorf("read %d bytes: %v", k, err)
		}
	})
}
