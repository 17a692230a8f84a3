package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// soon waits in virtual time until ok holds, and returns how long that took.
func soon(t *testing.T, what string, most time.Duration, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > most {
			t.Errorf("not within %v: %s", most, what)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
}

// fleet starts nodes of sites s0, s1, ..., of so many nodes each, and tells all of one of them.
func (f *fabric) fleet(t *testing.T, sites ...int) (all []*testNode) {
	t.Helper()
	for s, n := range sites {
		for i := range n {
			all = append(all, start(t, f.config(fmt.Sprintf("s%dn%d", s, i), fmt.Sprint("s", s), fmt.Sprintf("10.0.%d.%d", s, i+1))))
		}
	}
	for _, n := range all[1:] {
		n.Learn(all[0].Addrs()...)
	}
	return all
}

// oneGraph reports whether all nodes are connected, directly or by others.
func oneGraph(all []*testNode) bool {
	reached, next := map[*testNode]bool{all[0]: true}, []*testNode{all[0]}
	for len(next) > 0 {
		n := next[0]
		next = next[1:]
		for _, o := range all {
			if !reached[o] && n.knows(o) {
				reached[o] = true
				next = append(next, o)
			}
		}
	}
	return len(reached) == len(all)
}

// meshed reports whether each node is connected with all others of its site.
func meshed(all []*testNode) bool {
	for _, a := range all {
		for _, b := range all {
			if a != b && a.cfg.Site == b.cfg.Site && !a.knows(b) {
				return false
			}
		}
	}
	return true
}

func (n *testNode) far() (count int) {
	for _, p := range n.Peers() {
		if p.Site != n.cfg.Site {
			count++
		}
	}
	return count
}

func TestOneAddressMakesAFullSite(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 6)
		soon(t, "everyone knows everyone", 3*time.Second, func() bool { return meshed(all) })
		time.Sleep(time.Minute)
		for _, n := range all {
			if links := len(n.connections()); links != 5 {
				t.Errorf("%s keeps %d connections for 5 mates", n.gate.name, links)
			}
			if len(n.seen()) != 5 {
				t.Errorf("%s was told %v", n.gate.name, n.seen())
			}
		}
		closeAll(all...)
	})
}

// TestTicketOfManyAddresses: a newcomer whose ticket names many nodes dials one of them, learns from it who the others are, and gets to
// its site's mates by that; the first that it dials may be gone.
func TestTicketOfManyAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 2, 2, 2, 2, 2, 2)
		soon(t, "all is one", time.Minute, func() bool { return oneGraph(all) && meshed(all) })
		gone, one := start(t, nw.config("gone", "s9", "10.9.0.1")), start(t, nw.config("one", "s0", "10.9.0.2"))
		ticket := gone.Addrs()
		gone.stop()
		for _, n := range all[2:] {
			ticket = append(ticket, n.Addrs()...)
		}
		one.Learn(ticket...)
		soon(t, "the newcomer finds its mates", 15*time.Second, func() bool { return one.knows(all[0]) && one.knows(all[1]) })
		dialled := 0
		for _, l := range one.connections() {
			if !l.inbound && l.peer.Site != "s0" {
				dialled++
			}
		}
		if dialled == 0 || dialled > 3 {
			t.Errorf("it has dialled %d of other sites", dialled)
		}
		closeAll(append(all, one)...)
	})
}

func TestSitesKeepFewNeighbours(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 2, 2, 2, 2, 2, 2, 2, 2)
		soon(t, "sites are full, and the fleet is one", 20*time.Second, func() bool { return meshed(all) && oneGraph(all) })
		time.Sleep(time.Minute)
		total := 0
		for _, n := range all[1:] { // all started at the first
			total += n.far()
		}
		if most := len(all) * 2 * neighbours; total > most {
			t.Errorf("%d connections between sites, at most %d are wanted", total, most)
		}
		if !meshed(all) || !oneGraph(all) {
			t.Error("it did not last")
		}
		closeAll(all...)
	})
}

// TestConnectionInUseIsKept: a connection that is one too many is not closed for as long as something bulky goes over it, however long
// ago that began; then it is.
func TestConnectionInUseIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a := start(t, nw.config("a", "s0", "10.0.0.1"))
		var others []*testNode
		for i := range 2 * neighbours {
			n := start(t, nw.config(fmt.Sprint("n", i), fmt.Sprint("s", i+1), fmt.Sprint("10.0.1.", i)))
			others = append(others, n)
			a.LearnNode(n.self, n.gate.site, []string{strings.TrimSuffix(n.Addrs()[0], "/p2p/"+n.self.String())})
		}
		soon(t, "a has its neighbours", time.Minute, func() bool { return len(a.Peers()) == neighbours })
		var extra *testNode
		for _, n := range others {
			if !a.knows(n) {
				extra = n
			}
		}
		c, err := a.Open(t.Context(), extra.self, bulkProtocol)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 * 60 {
			time.Sleep(time.Second)
			if _, err := c.Write([]byte("more")); err != nil {
				t.Fatalf("it is closed: %v", err)
			}
			if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
				t.Fatalf("it is closed: %v", err)
			}
		}
		c.Close()
		soon(t, "it is closed", 2*spareAge, func() bool { return !a.knows(extra) })
		closeAll(append(others, a)...)
	})
}

func TestIslandsFindTogetherAgain(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
		soon(t, "the fleet is one", 20*time.Second, func() bool { return oneGraph(all) })
		for _, n := range all { // the ledger's part: where everyone is
			for _, o := range all {
				n.LearnNode(o.self, o.cfg.Site, o.ownAddrs())
			}
		}
		nw.setCut(func(from, to net.IP) bool { return from[2] < 6 != (to[2] < 6) })
		time.Sleep(20 * time.Minute)
		if !oneGraph(all[:6]) || !oneGraph(all[6:]) {
			t.Error("an island fell apart")
		}
		if oneGraph(all) {
			t.Fatal("the cut did not cut")
		}
		for _, n := range all {
			if n.far() < min(neighbours, 5) {
				t.Errorf("%s has %d neighbours on its island", n.gate.name, n.far())
			}
		}
		nw.setCut(nil)
		took := soon(t, "the islands are one", time.Minute, func() bool { return oneGraph(all) })
		t.Logf("found together in %v", took)
		closeAll(all...)
	})
}

func TestCutCableIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 2)
		soon(t, "they meet", time.Second, func() bool { return meshed(all) })
		time.Sleep(10 * time.Minute)
		if got := all[0].seen(); !slices.Equal(got, []string{"+s0n1"}) {
			t.Errorf("ten idle minutes brought %v", got)
		}
		before := nw.bytes("10.0.0.1")
		time.Sleep(10 * time.Minute)
		if rate := (nw.bytes("10.0.0.1") - before) * 8 / 600; rate > 60 {
			t.Errorf("an idle connection costs %d bit/s", rate)
		}
		nw.setCut(func(from, to net.IP) bool { return true })
		took := soon(t, "the cut is noticed", time.Minute, func() bool { return len(all[0].Peers())+len(all[1].Peers()) == 0 })
		t.Logf("noticed after %v", took)
		time.Sleep(10 * time.Minute)
		nw.setCut(nil)
		took = soon(t, "they meet again", 12*time.Second, func() bool { return meshed(all) })
		t.Logf("met again after %v", took)
		closeAll(all...)
	})
}

func TestRestartReplacesOldConnections(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s1", "10.0.0.2"))
		meet(t, a, b)
		time.Sleep(time.Minute)
		nw.setCut(func(from, to net.IP) bool { return true }) // it crashes: nobody is told
		b.stop()
		time.Sleep(2 * time.Second)
		nw.setCut(nil)
		b = start(t, nw.config("b", "s1", "10.0.0.2"))
		b.Learn(a.Addrs()...)
		soon(t, "a is told of the restart", time.Second, func() bool { return slices.Equal(a.seen(), []string{"+b", "-b", "+b"}) })
		if err := a.echo(b, echoProtocol, "x"); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		if n := len(a.Peers()); n != 1 {
			t.Errorf("%d peers", n)
		}
		closeAll(a, b)
	})
}

func TestLostConnectionIsReplacedByItsNextDial(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s1", "10.0.0.2"))
		meet(t, a, b)
		time.Sleep(time.Minute)
		nw.setCut(func(from, to net.IP) bool { return from.Equal(mustIP("10.0.0.2")) })
		for _, p := range b.connections() { // b closes, and a does not hear of it
			p.close()
		}
		time.Sleep(time.Second)
		nw.setCut(nil)
		soon(t, "they are connected again", 10*time.Second, func() bool { return a.echo(b, echoProtocol, "x") == nil && b.echo(a, echoProtocol, "x") == nil })
		if n := len(a.connections()); n != 1 {
			t.Errorf("a keeps %d connections", n)
		}
		closeAll(a, b)
	})
}

// connections returns the admitted links.
func (n *testNode) connections() (out []*link) {
	n.Host.mu.Lock()
	defer n.Host.mu.Unlock()
	for _, m := range n.members {
		out = append(out, m.links...)
	}
	return out
}

func TestTwoOfOneIdentityDoNotFightAtFullSpeed(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a := start(t, nw.config("a", "s1", "10.0.0.1"))
		one, two := start(t, nw.config("b", "s1", "10.0.0.2")), start(t, nw.config("b", "s1", "10.0.0.3"))
		one.Learn(a.Addrs()...)
		two.Learn(a.Addrs()...)
		time.Sleep(5 * time.Minute)
		if n := len(a.seen()); n > 400 {
			t.Errorf("a was told %d times in five minutes", n)
		}
		closeAll(a, one, two)
	})
}

func TestBothDialAtOnce(t *testing.T) {
	latencies := []time.Duration{time.Millisecond, 50 * time.Millisecond}
	for _, latency := range append(latencies, make([]time.Duration, 20)...) { // without any, much comes to pass in an order that is new
		bubble(t, func(t *testing.T, nw *fabric) {
			nw.latency = latency
			a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s2", "10.0.0.2"))
			errs := make(chan error, 2)
			dial := func(from, to *testNode) {
				from.Learn(to.Addrs()...)
				errs <- from.echo(to, echoProtocol, "x")
			}
			go dial(a, b)
			go dial(b, a)
			if err := errors.Join(<-errs, <-errs); err != nil {
				t.Errorf("latency %v: %v", latency, err)
			}
			time.Sleep(10 * time.Second)
			if na, nb := len(a.connections()), len(b.connections()); na != 1 || nb != 1 {
				t.Errorf("latency %v: %d and %d connections", latency, na, nb)
			}
			for _, n := range []*testNode{a, b} {
				if len(n.seen()) != 1 || len(n.refusals()) != 0 {
					t.Errorf("latency %v: told %v, refused %v", latency, n.seen(), n.refusals())
				}
			}
			closeAll(a, b)
		})
	}
}

func TestHeldUplink(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 2, 2)
		a, mate, far := all[0], all[1], all[2]
		soon(t, "they meet", 5*time.Second, func() bool { return meshed(all) && oneGraph(all) })
		time.Sleep(10 * time.Second)
		for _, n := range all[:2] {
			n.SetUplink(Uplink{Held: true})
		}
		soon(t, "the site is alone", time.Second, func() bool { return a.far()+mate.far()+far.far() == 0 })
		if _, err := a.Open(context.Background(), far.self, echoProtocol); !errors.Is(err, ErrHeld) {
			t.Errorf("Open across a held uplink: %v", err)
		}
		var r *Refusal
		if _, err := far.Open(context.Background(), a.self, echoProtocol); !errors.As(err, &r) || r.Code != CodeHeld || !r.ByRemote {
			t.Errorf("Open to a held site: %v", err)
		}
		if err := a.echo(mate, echoProtocol, "x"); err != nil || slices.Contains(a.seen(), "-s0n1") {
			t.Errorf("the LAN suffers: %v %v", err, a.seen())
		}
		time.Sleep(20 * time.Minute)
		if !slices.Contains(a.refusals(), "held the uplink is held") || !slices.Contains(far.refusals(), "held the uplink is held by remote") {
			t.Errorf("refusals are %q and %q", a.refusals(), far.refusals())
		}
		if n := len(far.refusals()); n > 150 {
			t.Errorf("a held site was dialled %d times in 20 minutes", n)
		}
		for _, n := range all[:2] {
			n.SetUplink(Uplink{})
		}
		took := soon(t, "the sites are connected", time.Second, func() bool { return oneGraph(all) && a.far() > 0 && mate.far() > 0 })
		t.Logf("connected %v after the uplink was let go", took)
		closeAll(all...)
	})
}

func TestHeldBothWays(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		all := nw.fleet(t, 1, 1)
		soon(t, "they meet", time.Second, func() bool { return oneGraph(all) })
		for _, n := range all {
			n.SetUplink(Uplink{Held: true})
		}
		time.Sleep(5 * time.Minute)
		all[0].SetUplink(Uplink{})
		time.Sleep(5 * time.Minute)
		all[1].SetUplink(Uplink{})
		soon(t, "they meet again", time.Second, func() bool { return oneGraph(all) })
		closeAll(all...)
	})
}

func TestHeldWhileAPeerIsJudged(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a, b := start(t, nw.config("a", "s1", "10.0.0.1")), start(t, nw.config("b", "s2", "10.0.0.2"))
		b.gate.slow = make(chan struct{})
		b.Learn(a.Addrs()...)
		time.Sleep(time.Second) // a has said yes, b has not
		a.SetUplink(Uplink{Held: true})
		close(b.gate.slow)
		time.Sleep(time.Second)
		if len(a.Peers()) != 0 {
			t.Error("a peer was admitted across a held uplink")
		}
		closeAll(a, b)
	})
}

func TestLearnGivesUpTheBackoff(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a := start(t, nw.config("a", "s1", "10.0.0.1"))
		a.LearnNode(idOf("b"), "s2", []string{"/ip4/10.0.0.2/udp/4001/quic-v1"})
		time.Sleep(10 * time.Minute)
		a.Host.mu.Lock()
		k := a.known[idOf("b")]
		if k.fails < 10 || k.fails > 60 {
			t.Errorf("%d dials of an absent node in ten minutes", k.fails)
		}
		a.Host.mu.Unlock()
		b := start(t, nw.config("b", "s2", "10.0.0.3"))
		a.LearnNode(b.self, "s2", b.ownAddrs())
		soon(t, "a finds b at its new address", 8*time.Second, func() bool { return a.knows(b) })
		closeAll(a, b)
	})
}

func TestOpenDoesNotStorm(t *testing.T) {
	bubble(t, func(t *testing.T, nw *fabric) {
		a := start(t, nw.config("a", "s1", "10.0.0.1"))
		a.LearnNode(idOf("b"), "s2", []string{"/ip4/10.0.0.2/udp/4001/quic-v1"})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
					if _, err := a.Open(context.Background(), idOf("b"), echoProtocol); !errors.Is(err, ErrUnknown) {
						t.Errorf("error is %v", err)
					}
				}
			})
		}
		wg.Wait()
		if sent := nw.bytes("10.0.0.1"); sent > 300_000 {
			t.Errorf("a minute of attempts sent %d bytes", sent)
		}
		synctest.Wait()
		closeAll(a)
	})
}
