package network

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestOnePacketTakesWhatTheLinksSay(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		lan := Link{Latency: ms}
		a := site(t, n, "a", SiteConfig{Up: Link{Rate: 1e6, Latency: 20 * ms}, LAN: lan}, 2)
		b := site(t, n, "b", SiteConfig{Down: Link{Rate: 8e6, Latency: 10 * ms}, LAN: lan}, 1)
		from, far, near := listen(t, a.Host("a"), 1), listen(t, b.Host("a"), 1), listen(t, a.Host("b"), 1)
		send(t, from, near.LocalAddr(), 1000-Headers)
		if got := waits(t, near); got != ms {
			t.Errorf("in the site it took %v", got)
		}
		send(t, from, far.LocalAddr(), 1000-Headers)
		if got, want := waits(t, far), (1+8+20+1+10+1)*ms; got != want {
			t.Errorf("to the other site it took %v, want %v", got, want)
		}
		send(t, from, from.LocalAddr(), 10)
		if got := waits(t, from); got != 0 {
			t.Errorf("to itself it took %v", got)
		}
	})
}

// waits reads a packet and returns how long that took.
func waits(t *testing.T, c net.PacketConn) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, _, err := c.ReadFrom(make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

func TestTicks(t *testing.T) {
	bubbleOf(t, Config{Tick: ms}, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{LAN: Link{Latency: 300 * time.Microsecond}}, 2)
		from, to := listen(t, a.Host("a"), 1), listen(t, a.Host("b"), 1)
		for range 3 {
			send(t, from, to.LocalAddr(), 10)
			time.Sleep(200 * time.Microsecond)
		}
		if _, after := reads(t, to, time.Second); !slices.Equal(after, []time.Duration{0, 400 * time.Microsecond, 400 * time.Microsecond}) {
			t.Errorf("packets were read after %v", after)
		}
	})
}

// TestHostsOfASiteShareItsUplink has two hosts send at once, to two sites, as much as fits for one.
func TestHostsOfASiteShareItsUplink(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{Up: Link{Rate: 8e6, Queue: 1 << 20}}, 2)
		b, c := site(t, n, "b", SiteConfig{}, 1), site(t, n, "c", SiteConfig{}, 1)
		begin := time.Now()
		toB, toC := listen(t, b.Host("a"), 1), listen(t, c.Host("a"), 1)
		one, two := listen(t, a.Host("a"), 0), listen(t, a.Host("b"), 0)
		for range 100 {
			send(t, one, toB.LocalAddr(), 1000-Headers)
			send(t, two, toC.LocalAddr(), 1000-Headers)
		}
		for range 100 {
			waits(t, toB)
			waits(t, toC)
		}
		if took := time.Since(begin); took != 200*ms {
			t.Errorf("200 packets took %v, want 200ms", took)
		}
		if up := a.Counters().Up; up.Packets != 200 || up.Bytes != 200_000 {
			t.Errorf("the uplink counted %+v", up)
		}
	})
}

func TestUplinkChangesWhilePacketsWait(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := site(t, n, "a", SiteConfig{Up: Link{Rate: 8000}}, 1), site(t, n, "b", SiteConfig{}, 1)
		from, to := listen(t, a.Host("a"), 0), listen(t, b.Host("a"), 1)
		for range 3 {
			send(t, from, to.LocalAddr(), 1000-Headers)
		}
		time.Sleep(500 * ms)
		if err := a.SetUplink(Link{Rate: 8e6}, Link{}); err != nil {
			t.Fatal(err)
		}
		if up, _ := a.Uplink(); up.Rate != 8e6 || up.MTU != DefaultMTU {
			t.Errorf("the uplink is %+v", up)
		}
		_, after := reads(t, to, time.Minute)
		if want := []time.Duration{500 * ms, 501 * ms, 502 * ms}; !slices.Equal(after, want) {
			t.Errorf("packets came after %v, want %v", after, want)
		}
	})
}

func TestLANChanges(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{}, 2)
		if err := a.SetLAN(Link{Latency: 7 * ms, Duplicate: 1}); err != nil {
			t.Fatal(err)
		}
		from, to := listen(t, a.Host("a"), 0), listen(t, a.Host("b"), 1)
		send(t, from, to.LocalAddr(), 10)
		if _, after := reads(t, to, time.Second); !slices.Equal(after, []time.Duration{7 * ms, 7 * ms}) {
			t.Errorf("a packet that the LAN doubles came after %v", after)
		}
		if got := a.LAN().Latency; got != 7*ms {
			t.Errorf("the LAN's latency is %v", got)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for want, l := range map[string]Link{
		"rate is -1 bit/s":         {Rate: -1},
		"latency is -1ns":          {Latency: -1},
		"jitter is -1ns":           {Jitter: -1},
		"loss is 1.5":              {Loss: 1.5},
		"burst r is -1":            {Burst: Burst{R: -1}},
		"queue is -1 bytes":        {Queue: -1},
		"mtu is 28 bytes":          {MTU: Headers},
		"duty is up for 2s":        {Duty: Duty{Up: 2 * time.Second, Every: time.Second}},
		"budget is -1 bytes":       {Budget: Budget{Bytes: -1}},
		"budget has a period":      {Budget: Budget{Every: 1}},
		"reorder has a prob":       {Reorder: 0.1},
		"duplicate is 2":           {Duplicate: 2},
		"rate is 100000000000000 ": {Rate: 1e14},
	} {
		bubble(t, func(t *testing.T, n *Net) {
			for where, cfg := range map[string]SiteConfig{"uplink up: ": {Up: l}, "uplink down: ": {Down: l}, "lan: ": {LAN: l}} {
				if _, err := n.AddSite("a", cfg); err == nil || !strings.HasPrefix(err.Error(), "add site a: "+where+want) {
					t.Errorf("%s%s: got error %v", where, want, err)
				}
			}
			s := site(t, n, "s", SiteConfig{}, 0)
			if s.SetUplink(l, Link{}) == nil || s.SetUplink(Link{}, l) == nil || s.SetLAN(l) == nil {
				t.Errorf("%s: was set", want)
			}
		})
	}
}

func TestNamesAndRoom(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a network without randomness started")
	}
	bubble(t, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{}, 0)
		for _, name := range []string{"a", ""} {
			if _, err := n.AddSite(name, SiteConfig{}); err == nil {
				t.Errorf("a second site %q was added", name)
			}
		}
		if _, err := n.AddSite("c", SiteConfig{NAT: 9}); err == nil {
			t.Error("a NAT of no kind was added")
		}
		for i := range MaxHosts {
			if _, err := a.AddHost(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.AddHost("one more"); err == nil {
			t.Error("one host too many was added")
		}
		if n.Site("a") != a || n.Site("b") != nil || len(n.Sites()) != 1 || len(a.Hosts()) != MaxHosts || a.Host("7").Addr().String() != "10.0.0.8" {
			t.Error("what was added is not found")
		}
	})
}

// TestManyHosts reaches the last of 1,000 sites of 250 hosts, and sees that idle ones cost nothing.
func TestManyHosts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		before := runtime.NumGoroutine()
		var last *Site
		for i := range 1000 {
			s, err := n.AddSite(fmt.Sprint(i), SiteConfig{Up: Link{Rate: 1e6}})
			if err != nil {
				t.Fatal(err)
			}
			for k := range 250 {
				h, err := s.AddHost(fmt.Sprint(k))
				if err != nil {
					t.Fatal(err)
				}
				if k%50 == 0 {
					listen(t, h, 4001)
				}
			}
			last = s
		}
		if got := runtime.NumGoroutine(); got > before {
			t.Errorf("%d goroutines were started", got-before)
		}
		time.Sleep(24 * time.Hour)
		from, to := listen(t, n.Site("0").Host("0"), 0), listen(t, last.Host("249"), 1)
		if got := to.LocalAddr().String(); got != "10.3.231.250:1" {
			t.Errorf("the last host has the address %s", got)
		}
		send(t, from, to.LocalAddr(), 100)
		waits(t, to)
	})
}

// trace runs hosts that write at random, and returns what the observer saw.
func trace(t *testing.T, seed uint64) (out []string) {
	cfg := Config{Rand: rand.NewPCG(seed, 0), Observe: func(e Event) {
		out = append(out, fmt.Sprint(e.At, " ", e.Packet, e.Kind, e.Cause, e.Host, e.From, e.To, e.Wire))
	}}
	bubbleOf(t, cfg, func(t *testing.T, n *Net) {
		link := Link{Rate: 2e6, Latency: 10 * ms, Jitter: 10 * ms, Loss: 0.02, Burst: Burst{P: 0.01, R: 0.1, Bad: 0.5}, Duplicate: 0.02,
			Reorder: 0.05, ReorderBy: 5 * ms, Duty: Duty{Up: 900 * ms, Every: time.Second}, CoDel: true}
		var conns []net.PacketConn
		for i := range 4 {
			s := site(t, n, fmt.Sprint(i), SiteConfig{Up: link, Down: link, LAN: Link{Latency: ms, Jitter: ms}, NAT: NAT(i % 3)}, 3)
			for _, h := range s.Hosts() {
				conns = append(conns, listen(t, h, 0))
			}
		}
		rnd := rand.New(rand.NewPCG(5, 6))
		for i := range 5000 {
			from, to := conns[rnd.IntN(len(conns))], conns[rnd.IntN(len(conns))]
			send(t, from, to.LocalAddr(), 1+rnd.IntN(1600))
			time.Sleep(time.Duration(rnd.Int64N(int64(ms))))
			if i == 2000 {
				n.Cut(n.Site("0"), n.Site("3"), true)
				n.Site("1").Host("b").Down()
			}
		}
	})
	return out
}

func TestOneSeedOneTrace(t *testing.T) {
	a, b, c := trace(t, 1), trace(t, 1), trace(t, 2)
	if !slices.Equal(a, b) {
		t.Error("two runs with one seed differ")
	}
	if slices.Equal(a, c) {
		t.Error("two seeds give the same run")
	}
	for _, want := range []string{"deliver", "loss", "mtu", "cut", "host down", "link down", "nat"} {
		if !slices.ContainsFunc(a, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("the run has no %q", want)
		}
	}
}

// TestNetworkLosesNothingFromSight sends at random and counts: what is sent, and doubled, is delivered
// or dropped, and then nothing is under way.
func TestNetworkLosesNothingFromSight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, delivered, dropped, size int64
		at := time.Duration(0)
		n, err := New(Config{Rand: rand.NewPCG(1, 2), Observe: func(e Event) {
			sent, delivered, dropped = sent+is(e.Kind, Sent), delivered+is(e.Kind, Delivered), dropped+is(e.Kind, Dropped)
			if e.At < at {
				t.Errorf("an event at %v is told after one at %v", e.At, at)
			}
			at = e.At
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		link := Link{Rate: 1e6, Jitter: 5 * ms, Loss: 0.1, Duplicate: 0.1}
		a, b := site(t, n, "a", SiteConfig{Up: link, LAN: link}, 3), site(t, n, "b", SiteConfig{Down: link}, 3)
		rnd, hosts := rand.New(rand.NewPCG(7, 8)), append(a.Hosts(), b.Hosts()...)
		for range 3000 {
			c := listen(t, hosts[rnd.IntN(6)], 0)
			to := &net.UDPAddr{IP: hosts[rnd.IntN(6)].Addr().AsSlice(), Port: firstPort + rnd.IntN(600)}
			wire := rnd.IntN(1600)
			send(t, c, to, wire)
			size += int64(wire + Headers)
			time.Sleep(3 * ms)
		}
		time.Sleep(time.Minute)
		var doubled, hostSent, hostGot, hostBytes int64
		for _, s := range n.Sites() {
			c := s.Counters()
			doubled += c.Up.Duplicated + c.Down.Duplicated + c.LAN.Duplicated
			for _, h := range s.Hosts() {
				c := h.Counters()
				hostSent, hostGot, hostBytes = hostSent+c.Sent.Packets, hostGot+c.Received.Packets, hostBytes+c.Sent.Bytes
				dropped -= c.Sent.Dropped.All()
			}
		}
		if dropped != 0 || hostSent != sent || hostGot != delivered || hostBytes != size {
			t.Errorf("hosts count %d sent, %d got, %d bytes; %d drops more than seen", hostSent, hostGot, hostBytes, -dropped)
		}
		for _, s := range n.Sites() {
			for _, h := range s.Hosts() {
				dropped += h.Counters().Sent.Dropped.All()
			}
		}
		if sent+doubled != delivered+dropped || n.Flying() != 0 {
			t.Errorf("%d sent, %d doubled, %d delivered, %d dropped, %d bytes under way", sent, doubled, delivered, dropped, n.Flying())
		}
	})
}

func is(a, b Kind) int64 {
	if a == b {
		return 1
	}
	return 0
}

func TestEventsComeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h events
		var want []event
		less := func(a, b event) int {
			if a.before(&b) {
				return -1
			}
			return 1
		}
		for seq := range uint64(rapid.IntRange(1, 200).Draw(t, "n")) {
			if len(want) > 0 && rapid.IntRange(0, 2).Draw(t, "pop") == 0 {
				if got := h.pop(); got != want[0] {
					t.Fatalf("got %v, want %v", got, want[0])
				}
				want = want[1:]
				continue
			}
			e := event{at: time.Duration(rapid.IntRange(0, 20).Draw(t, "at")), seq: seq}
			h.push(e)
			want = append(want, e)
			slices.SortFunc(want, less)
		}
	})
}

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		s := site(t, n, "a", SiteConfig{LAN: Link{Latency: time.Hour}}, 2)
		from, to := listen(t, s.Host("a"), 0), listen(t, s.Host("b"), 1)
		n.flying = maxFlying - 100 // as if other links held so much
		send(t, from, to.LocalAddr(), 100-Headers)
		send(t, from, to.LocalAddr(), 1)
		if c := s.Host("a").Counters().Sent; c.Packets != 2 || c.Dropped[QueueFull] != 1 {
			t.Errorf("sent %+v", c)
		}
	})
}

func TestWords(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		s := site(t, n, "a", SiteConfig{NAT: Symmetric}, 1)
		public, behind := s.Public()
		_, open := site(t, n, "b", SiteConfig{}, 0).Public()
		got := fmt.Sprint(s, s.Host("a"), public, behind, open, NoNAT, EndpointIndependent, s.nat.kind, NAT(9), Delivered, Kind(9), Severed, Cause(99))
		const want = "a a/a 11.0.0.1 true false none endpoint-independent symmetric unknown delivered unknown cut unknown"
		if strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
