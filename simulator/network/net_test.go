package network

import (
	"slices"
	"testing"
	"time"
)

func TestOnePacketTakesWhatTheLinksSay(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		lan := Link{Latency: time.Millisecond}
		a := site(t, n, "a", SiteConfig{Up: Link{Rate: 1e6, Latency: 20 * time.Millisecond}, LAN: lan}, 2)
		b := site(t, n, "b", SiteConfig{Down: Link{Rate: 8e6, Latency: 10 * time.Millisecond}, LAN: lan}, 1)
		from, to := listen(t, a.Host("a"), 1), listen(t, b.Host("a"), 1)
		near := listen(t, a.Host("b"), 1)
		send(t, from, to.LocalAddr(), 1000-Headers)
		send(t, from, near.LocalAddr(), 1000-Headers)
		_, after := reads(t, near, time.Second)
		if !slices.Equal(after, []time.Duration{time.Millisecond}) {
			t.Errorf("in the site it took %v", after)
		}
		if n.Flying() != 0 {
			t.Errorf("%d bytes are still under way", n.Flying())
		}
		if got := to.(*conn).waiting.n; got != 1 {
			t.Errorf("%d packets came to the other site", got)
		}
	})
}
