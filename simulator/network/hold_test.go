package network

import (
	"testing"
	"time"
)

func TestHold(t *testing.T) {
	for name, c := range map[string]struct {
		deaf bool
		want int // of what came while it stood still
	}{"paused": {false, 2}, "suspended": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Net) {
				a := site(t, n, "a", SiteConfig{LAN: Link{Latency: ms}}, 2)
				from, to := listen(t, a.Host("a"), 9), listen(t, a.Host("b"), 9)
				defer from.Close()
				defer to.Close()
				first, second := a.Host("b").Hold(c.deaf), a.Host("b").Hold(false)
				for range 2 {
					send(t, from, to.LocalAddr(), 10)
				}
				send(t, to, from.LocalAddr(), 20)
				if got, _ := reads(t, to, time.Second); len(got) != 0 {
					t.Errorf("%d packets got in while it stood still", len(got))
				}
				first.Release()
				first.Release()
				if got, _ := reads(t, from, time.Second); len(got) != 0 {
					t.Errorf("%d packets got out before the last hold was released", len(got))
				}
				second.Release()
				if got, _ := reads(t, to, time.Second); len(got) != c.want {
					t.Errorf("%d packets came in afterwards, want %d", len(got), c.want)
				}
				if got, _ := reads(t, from, time.Second); len(got) != 1 {
					t.Errorf("%d packets came out afterwards, want 1", len(got))
				}
			})
		})
	}
}

// TestHoldIsBounded: what does not fit is lost, and what waits dies with the machine's processes.
func TestHoldIsBounded(t *testing.T) {
	holdMany(t, true, maxHeld/(1000+Headers))
	holdMany(t, false, 0)
}

func holdMany(t *testing.T, keep bool, want int) {
	bubble(t, func(t *testing.T, n *Net) {
		a := site(t, n, "a", SiteConfig{LAN: Link{Latency: ms}}, 2)
		b := a.Host("b")
		from, to := listen(t, a.Host("a"), 9), listen(t, b, 9)
		defer from.Close()
		hold := b.Hold(false)
		for range 300 {
			send(t, from, to.LocalAddr(), 1000)
			send(t, to, from.LocalAddr(), 1000)
		}
		time.Sleep(time.Second)
		if !keep {
			b.CloseSockets()
			to = listen(t, b, 9)
		}
		hold.Release()
		defer to.Close()
		if got, _ := reads(t, to, time.Second); len(got) != want {
			t.Errorf("%d packets came in, want %d", len(got), want)
		}
		if got, _ := reads(t, from, time.Second); len(got) != want {
			t.Errorf("%d packets came out, want %d", len(got), want)
		}
	})
}
