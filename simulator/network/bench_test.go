package network

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// BenchmarkPackets moves 1 GB in packets of QUIC's size from ten hosts of a site to ten of another, over
// an uplink that is offered a quarter more than it takes, in virtual time.
func BenchmarkPackets(b *testing.B) {
	const gigabyte = 1e9
	b.SetBytes(gigabyte)
	for b.Loop() {
		synctest.Test(new(testing.T), func(*testing.T) { congest(b, gigabyte) })
	}
}

func congest(b *testing.B, bytes int64) {
	n, err := New(Config{Rand: rand.NewPCG(1, 2)})
	if err != nil {
		b.Fatal(err)
	}
	lan := Link{Rate: 10e9, Latency: 100 * time.Microsecond}
	from := site(b, n, "a", SiteConfig{Up: Link{Rate: 1e9, Latency: 10 * ms, Jitter: ms, Loss: 0.001}, LAN: lan}, 10)
	to := site(b, n, "b", SiteConfig{Down: Link{Rate: 1e9, Latency: 10 * ms}, LAN: lan}, 10)
	var wg sync.WaitGroup
	for i := range 10 {
		in := listen(b, to.Hosts()[i], 1)
		out := listen(b, from.Hosts()[i], 1)
		wg.Go(func() { readAll(in) })
		wg.Go(func() { offer(out, in.LocalAddr(), 125e6) })
	}
	for to.Counters().LAN.Bytes < bytes {
		time.Sleep(ms)
	}
	if from.Counters().Up.Dropped[QueueFull] == 0 {
		b.Error("the uplink was not congested")
	}
	if err := n.Close(); err != nil {
		b.Error(err)
	}
	wg.Wait()
}

func readAll(c net.PacketConn) {
	b := make([]byte, DefaultMTU)
	for {
		if _, _, err := c.ReadFrom(b); err != nil {
			return
		}
	}
}

// offer writes at a rate in bits/s, ten packets at a time as QUIC does, until the socket is closed.
func offer(c net.PacketConn, to net.Addr, rate int64) {
	b := make([]byte, 1252)
	l := Link{Rate: rate}
	for {
		for range 10 {
			if _, err := c.WriteTo(b, to); err != nil {
				return
			}
		}
		time.Sleep(l.sendTime(10 * (len(b) + Headers)))
	}
}

// BenchmarkIdle is what a day of a thousand hosts costs that have open sockets and say nothing, with
// setting them up.
func BenchmarkIdle(b *testing.B) {
	for b.Loop() {
		synctest.Test(new(testing.T), func(*testing.T) {
			n, err := New(Config{Rand: rand.NewPCG(1, 2)})
			if err != nil {
				b.Fatal(err)
			}
			for i := range 100 {
				for _, h := range site(b, n, string(rune('A'+i)), SiteConfig{}, 10).Hosts() {
					listen(b, h, 4001)
				}
			}
			time.Sleep(24 * time.Hour)
			if err := n.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
