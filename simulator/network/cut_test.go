package network

import (
	"net"
	"strings"
	"testing"
	"time"
)

// reach tells who reaches whom, as "a/a>b/a": each host of the network writes to each other one.
func reach(t *testing.T, n *Net) string {
	t.Helper()
	conns := map[*Host]net.PacketConn{}
	for _, s := range n.Sites() {
		for _, h := range s.Hosts() {
			conns[h] = listen(t, h, 9)
			defer conns[h].Close()
		}
	}
	var out []string
	for _, s := range n.Sites() {
		for _, from := range s.Hosts() {
			for _, d := range n.Sites() {
				for _, to := range d.Hosts() {
					if from == to {
						continue
					}
					send(t, conns[from], conns[to].LocalAddr(), 10)
					if got, _ := reads(t, conns[to], time.Second); len(got) == 1 {
						out = append(out, from.String()+">"+to.String())
					}
				}
			}
		}
	}
	return strings.Join(out, " ")
}

const allReach = "a/a>a/b a/a>b/a a/b>a/a a/b>b/a b/a>a/a b/a>a/b"

func TestCuts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		slow := SiteConfig{Up: Link{Latency: 10 * ms}, LAN: Link{Latency: ms}}
		a, b := site(t, n, "a", slow, 2), site(t, n, "b", slow, 1)
		for _, c := range []struct {
			name     string
			from, to Place
			oneWay   bool
			want     string
		}{
			{"sites", a, b, false, "a/a>a/b a/b>a/a"},
			{"sites, one way", a, b, true, "a/a>a/b a/b>a/a b/a>a/a b/a>a/b"},
			{"host from site", a.Host("a"), b, false, "a/a>a/b a/b>a/a a/b>b/a b/a>a/b"},
			{"site from host, one way", b, a.Host("a"), true, "a/a>a/b a/a>b/a a/b>a/a a/b>b/a b/a>a/b"},
			{"hosts", a.Host("a"), a.Host("b"), false, "a/a>b/a a/b>b/a b/a>a/a b/a>a/b"},
			{"host from its site", a.Host("a"), a, false, "a/a>b/a a/b>b/a b/a>a/a b/a>a/b"},
			{"lan", a, a, false, "a/a>b/a a/b>b/a b/a>a/a b/a>a/b"},
			{"site from anywhere", a, Anywhere, false, "a/a>a/b a/b>a/a"},
			{"anywhere from site, one way", Anywhere, b, true, "a/a>a/b a/b>a/a b/a>a/a b/a>a/b"},
			{"host from anywhere", a.Host("b"), Anywhere, false, "a/a>b/a b/a>a/a"},
		} {
			cut := n.Cut(c.from, c.to, c.oneWay)
			if got := reach(t, n); got != c.want {
				t.Errorf("%s: reach is\n%s, want\n%s", c.name, got, c.want)
			}
			cut.Heal()
			cut.Heal()
			if got := reach(t, n); got != allReach {
				t.Errorf("%s, healed: reach is\n%s", c.name, got)
			}
		}
	})
}

func TestFaultsAddUp(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := site(t, n, "a", SiteConfig{}, 1), site(t, n, "b", SiteConfig{}, 1)
		first, second := n.Cut(a, b, false), n.Cut(b, a, false)
		d1, d2 := b.Host("a").Down(), b.Host("a").Down()
		for i, f := range []*Cut{first, d1, second} {
			f.Heal()
			if got := reach(t, n); got != "" {
				t.Errorf("after %d healed: reach is %s", i+1, got)
			}
		}
		d2.Heal()
		if got := reach(t, n); got != "a/a>b/a b/a>a/a" {
			t.Errorf("all healed: reach is %s", got)
		}
		c := b.Host("a").Counters()
		if c.Sent.Dropped[HostDown] != 3 || c.Received.Dropped[Severed] != 2 || c.Received.Dropped[HostDown] != 1 {
			t.Errorf("the host counted %+v", c)
		}
	})
}

func TestCutsCatchWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := site(t, n, "a", SiteConfig{Up: Link{Latency: 10 * ms}}, 1), site(t, n, "b", SiteConfig{Down: Link{Latency: 10 * ms}}, 1)
		from, to := listen(t, a.Host("a"), 0), listen(t, b.Host("a"), 1)
		fault := func(f func() *Cut, after time.Duration) {
			send(t, from, to.LocalAddr(), 10)
			time.Sleep(after)
			c := f()
			if got, _ := reads(t, to, time.Second); len(got) != 0 {
				t.Errorf("a packet passed a fault %v after it was sent", after)
			}
			c.Heal()
		}
		fault(func() *Cut { return n.Cut(a, b, true) }, 5*ms)
		fault(func() *Cut { return n.Cut(a, b, true) }, 15*ms)
		fault(b.Host("a").Down, 15*ms)
		if got := b.Counters().Down.Dropped; got[Severed] != 2 || got[HostDown] != 1 {
			t.Errorf("the link down counted %v", got)
		}
		send(t, from, to.LocalAddr(), 10)
		n.Cut(a, b, false).Heal()
		waits(t, to)
	})
}

func TestCutsOfNoPlace(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{}, 0)
		bubbleMust := func(name string, n *Net, from, to Place) {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: was cut", name)
				}
			}()
			n.Cut(from, to, false)
		}
		bubbleMust("anywhere", n, Anywhere, Anywhere)
		bubbleMust("another network", new(Net), a, Anywhere)
	})
}

func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{LAN: Link{Latency: 10 * ms}}, 2)
		h := a.Host("b")
		from, to := listen(t, a.Host("a"), 0), listen(t, h, 4001)
		send(t, from, to.LocalAddr(), 10)
		down := h.Down()
		h.CloseSockets()
		if _, _, err := to.ReadFrom(nil); err == nil {
			t.Error("a socket of a crashed host is read")
		}
		if _, err := to.WriteTo(nil, from.LocalAddr()); err == nil {
			t.Error("a socket of a crashed host is written")
		}
		time.Sleep(time.Second)
		again := listen(t, h, 4001)
		down.Heal()
		send(t, from, again.LocalAddr(), 10)
		if got := waits(t, again); got != 10*ms {
			t.Errorf("the first packet came after %v", got)
		}
		if err := to.Close(); err == nil {
			t.Error("the old socket closes a second time")
		}
		send(t, again, from.LocalAddr(), 10)
		waits(t, from)
	})
}
