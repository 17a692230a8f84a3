package planner

import (
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// giver is a peer of a talk: how far away it is, how fast, and when it says nothing.
type giver struct {
	id       ident.NodeID
	site     string
	rate     float64       // bytes a second
	delay    time.Duration // from a request to the first byte of its answer
	silent   func(at time.Duration) bool
	queue    []int
	took     int       // chunks that it was asked for
	free     time.Time // when it will have sent what it was asked for
	sent     float64   // of the chunk that it sends
	lastSign time.Time
	canceled []time.Duration
}

// talk has a node of site s fetch a blob of 128 KiB chunks from givers that have all of it, for a while, in steps of 10 ms.
func talk(t *testing.T, chunks int, most time.Duration, givers ...*giver) *Planner {
	t.Helper()
	p := meet(chunks, givers...)
	listen(p, time.Unix(1, 0), most, givers...)
	return p
}

// meet is how a talk begins.
func meet(chunks int, givers ...*giver) *Planner {
	begin := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(chunks, 128<<10), Have: func(int) bool { return false }})
	for k, g := range givers {
		g.id = ident.NodeID{byte(k + 1)}
		p.PeerUp(g.id, g.site, begin)
		p.PeerHasAll(g.id, begin)
	}
	return p
}

// listen has a node get what it asks givers for, for a while, in steps of 10 ms. It decides when it is told something, or wanted to.
func listen(p *Planner, begin time.Time, most time.Duration, givers ...*giver) {
	const step = 10 * time.Millisecond
	wake := begin
	for at := time.Duration(0); at < most && !p.Done(); at += step {
		now, told := begin.Add(at), false
		for _, g := range givers {
			if g.silent == nil || !g.silent(at) {
				told = g.send(p, now, step) || told
			}
		}
		if !told && (wake.IsZero() || now.Before(wake)) {
			continue
		}
		e := p.Next(now)
		wake = e.Wake
		for _, g := range givers {
			if slices.Contains(e.Cancel, g.id) {
				g.canceled, g.queue, g.sent = append(g.canceled, at), nil, 0
			}
			for _, r := range e.Requests {
				if r.Peer == g.id {
					g.take(r, now)
				}
			}
		}
	}
}

func (g *giver) take(r Request, now time.Time) {
	if len(g.queue) == 0 {
		g.free, g.lastSign = now.Add(g.delay), now
	}
	for _, run := range r.Runs {
		for i := run.First; i < run.First+run.Count; i++ {
			g.queue, g.took = append(g.queue, i), g.took+1
		}
	}
}

// send delivers what comes in a step, and reports whether the planner was told of it.
func (g *giver) send(p *Planner, now time.Time, step time.Duration) (told bool) {
	if len(g.queue) == 0 || now.Before(g.free) {
		return false
	}
	g.sent += g.rate * step.Seconds()
	for len(g.queue) > 0 && g.sent >= float64(p.cfg.Sizes[g.queue[0]]) {
		g.sent -= float64(p.cfg.Sizes[g.queue[0]])
		p.Got(g.queue[0], g.id, now)
		g.queue, g.lastSign, told = g.queue[1:], now, true
	}
	if d := now.Sub(g.lastSign); d >= SignEvery && g.rate*d.Seconds() >= SignBytes {
		p.Alive(g.id, now)
		g.lastSign, told = now, true
	}
	return told
}

func after(d time.Duration) func(time.Duration) bool {
	return func(at time.Duration) bool { return at >= d }
}

// A peer of another site that never sends anything is left when it is known how long others take, and one of them can give the same; one
// that only takes a few times as long as they do is not.
func TestPeerThatNeverBeginsIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		rate  float64
		delay time.Duration
	}{
		"4 Mbit/s, 50 ms":   {500e3, 50 * time.Millisecond},
		"64 kbit/s, 600 ms": {8e3, 600 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			dead := &giver{site: "far", silent: after(0)}
			late := &giver{site: "far", rate: c.rate / slower, delay: c.delay * 2}
			good := &giver{site: "far", rate: c.rate, delay: c.delay}
			p := talk(t, max(int(c.rate*60)>>17, 8), 10*time.Minute, dead, late, good)
			first := time.Duration(float64(time.Second) * (128 << 10) / c.rate) // a chunk
			if most := slower*(first+time.Second) + uplinkLeast; len(dead.canceled) == 0 || dead.canceled[0] > min(most, uplinkStall-time.Second) {
				t.Errorf("left at %v, want by %v", dead.canceled, most)
			}
			if len(late.canceled)+len(good.canceled) > 0 || !p.Done() {
				t.Errorf("who sends is left at %v and %v", late.canceled, good.canceled)
			}
		})
	}
}

// A peer that stalls for ever is left when another can give the same, soon after it should have sent something: on the LAN
// and on the uplink.
func TestStuckPeerIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		site        string
		rate        float64
		delay, most time.Duration
	}{
		"LAN":                          {"s", 20e6, time.Millisecond, localLeast + 50*time.Millisecond},
		"uplink, 16 Mbit/s, 50 ms":     {"far", 2e6, 50 * time.Millisecond, uplinkLeast + 50*time.Millisecond},
		"uplink, 64 kbit/s and 600 ms": {"far", 8e3, 600 * time.Millisecond, slower*time.Second + 2*(600*time.Millisecond+time.Second) + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			const stop = 20 * time.Second
			bad := &giver{site: c.site, rate: c.rate, delay: c.delay, silent: after(stop)}
			good := &giver{site: c.site, rate: c.rate, delay: c.delay}
			chunks := int(c.rate*80) >> 17
			p := talk(t, max(chunks, 8), 10*time.Minute, bad, good)
			if len(bad.canceled) == 0 || bad.canceled[0]-stop > c.most {
				t.Errorf("left at %v, it was stuck at %v", bad.canceled, stop)
			}
			if len(good.canceled) > 0 || !p.Done() {
				t.Errorf("the other was left at %v; done: %v", good.canceled, p.Done())
			}
		})
	}
}

// The only peer is not left early for a mirror, which has all too: mirrors come last.
func TestSilentPeerIsNotLeftForMirror(t *testing.T) {
	begin := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(100, 128<<10), Have: func(int) bool { return false }})
	p.PeerUp(ident.NodeID{1}, "far", begin)
	p.PeerHasAll(ident.NodeID{1}, begin)
	p.Mirror(ident.NodeID{2}, begin)
	begin = begin.Add(time.Second)
	asked := p.Next(begin).Requests[0].Runs[0].First
	last := begin.Add(100 * time.Millisecond)
	p.Got(asked, ident.NodeID{1}, last)
	for now := last; now.Before(last.Add(uplinkStall)); now = now.Add(100 * time.Millisecond) {
		if e := p.Next(now); len(e.Cancel) > 0 {
			t.Fatalf("left %v after its last chunk", now.Sub(last))
		}
	}
	if e := p.Next(last.Add(uplinkStall)); len(e.Cancel) != 1 {
		t.Errorf("not left after %v", uplinkStall)
	}
}

// Nobody is left that is slow but sends: neither on a thin uplink, nor when it becomes much slower than it was.
func TestSlowPeerIsNotLeft(t *testing.T) {
	for name, c := range map[string]struct {
		site        string
		rate, then  float64
		delay, most time.Duration
	}{
		"64 kbit/s, 600 ms":              {"far", 8e3, 8e3, 600 * time.Millisecond, 10 * time.Minute},
		"8 kbit/s, 2 s":                  {"far", 1e3, 1e3, 2 * time.Second, 20 * time.Minute},
		"16 Mbit/s, then 160 kbit/s":     {"far", 2e6, 2e4, 50 * time.Millisecond, 5 * time.Minute},
		"LAN, 200 Mbit/s, then 1 Mbit/s": {"s", 25e6, 125e3, time.Millisecond, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := &giver{site: c.site, rate: c.rate, delay: c.delay}, &giver{site: c.site, rate: c.rate, delay: c.delay}
			a.silent = func(at time.Duration) bool {
				if at > 10*time.Second {
					a.rate = c.then
				}
				return false
			}
			talk(t, max(int(c.rate*c.most.Seconds())>>17, 40), c.most, a, b) // there is more to ask for: see tail.go
			if len(a.canceled)+len(b.canceled) > 0 {
				t.Errorf("left at %v and %v", a.canceled, b.canceled)
			}
		})
	}
}

// Who cannot be replaced is waited for as long as ever: the only one, and all together, as in a cut of the uplink.
func TestOnlyOneIsWaitedFor(t *testing.T) {
	for name, n := range map[string]int{"one": 1, "all": 2} {
		t.Run(name, func(t *testing.T) {
			cut := func(at time.Duration) bool { return at >= 10*time.Second && at < 35*time.Second }
			var some []*giver
			for range n {
				some = append(some, &giver{site: "far", rate: 1e6, delay: 40 * time.Millisecond, silent: cut})
			}
			if p := talk(t, 400, 3*time.Minute, some...); !p.Done() {
				t.Error("it does not go on")
			}
			for _, g := range some {
				if len(g.canceled) > 0 {
					t.Errorf("left at %v", g.canceled)
				}
			}
		})
	}
}

// Who says again and again that what it was asked for comes later is believed for claimMost, if another can give the same; else for as long
// as it says so.
func TestWaitsIsBelieved(t *testing.T) {
	for others, c := range map[int]struct{ least, most time.Duration }{0: {time.Hour, time.Hour}, 1: {claimMost, claimMost + uplinkStall}} {
		begin := time.Unix(1, 0)
		p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(100, 128<<10), Have: func(int) bool { return false }})
		for k := range 1 + others {
			p.PeerUp(ident.NodeID{byte(k + 1)}, "far", begin)
			p.PeerHasAll(ident.NodeID{byte(k + 1)}, begin)
		}
		left := time.Hour
		for at := time.Duration(0); at < time.Hour && left == time.Hour && !p.Done(); at += time.Second {
			now := begin.Add(at)
			if p.Waits(ident.NodeID{1}, now); at%(10*time.Second) != 0 {
				continue // it says so each second, and the others give something each ten
			}
			e := p.Next(now)
			if slices.Contains(e.Cancel, ident.NodeID{1}) {
				left = at
			}
			for _, r := range e.Requests {
				if r.Peer != (ident.NodeID{1}) {
					p.Got(r.Runs[0].First, r.Peer, now.Add(time.Second))
				}
			}
		}
		if left < c.least || left > c.most {
			t.Errorf("beside %d others it was left after %v, want %v to %v", others, left, c.least, c.most)
		}
	}
}

// Who says for ever that what it was asked for comes later keeps nobody from who has it too, at whatever cost: a mate not from another site,
// and nobody from a mirror.
func TestWaitsWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct {
		site   string // of who waits
		mirror bool   // who has it too is one; else it is of another site
	}{
		"a mate, and another site has it": {"s", false},
		"a mate, and a mirror has it":     {"s", true},
		"a peer, and a mirror has it":     {"far", true},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Unix(1, 0)
			p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(400, 128<<10), Have: func(int) bool { return false }})
			waits, other := ident.NodeID{1}, &giver{id: ident.NodeID{2}, rate: 1e6, delay: 20 * time.Millisecond}
			p.PeerUp(waits, c.site, begin)
			p.PeerHasAll(waits, begin)
			if c.mirror {
				p.Mirror(other.id, begin)
			} else {
				p.PeerUp(other.id, "far", begin)
				p.PeerHasAll(other.id, begin)
			}
			const most = distrust*(claimMost+uplinkStall) + starveTime + 5*time.Minute
			for at := time.Duration(0); at < most; at += time.Second {
				p.Waits(waits, begin.Add(at))
				listen(p, begin.Add(at), time.Second, other)
			}
			if !p.Done() {
				t.Errorf("%d of 400 have not come after %v", p.left, most)
			}
		})
	}
}
