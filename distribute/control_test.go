package distribute

import (
	"context"
	"fmt"
	"testing"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/internal/worked"
)

// BenchmarkControl takes one node of a site through a fetch of which it gets a share over the uplink and the rest from its mates, and reports
// the processor time that its planner and its words took for each MiB, and how many bytes it sends to its mates, and to those whom it
// asks, in the forms in which they go out: for the blob, for each chunk and mate, and as a share of what it gets.
func BenchmarkControl(b *testing.B) {
	for _, nodes := range []int{4, 16, 64, 400} {
		for _, chunks := range []int{1e3, 1e4, 1e5, 1e6} {
			b.Run(fmt.Sprintf("nodes=%d/chunks=%d", nodes, chunks), func(b *testing.B) {
				var took time.Duration
				var told, asked, rounds int
				for b.Loop() {
					c := newControl(nodes, chunks)
					began := worked.Time()
					c.fetch(b)
					took += worked.Time() - began
					told, asked, rounds = told+c.told, asked+c.asked, rounds+1
				}
				mib := float64(rounds) * float64(chunks) * controlChunk / (1 << 20)
				b.ReportMetric(float64(took.Microseconds())/mib, "µs/MiB")
				b.ReportMetric(float64(told)/float64(rounds)/1e3, "told-kB")
				b.ReportMetric(float64(asked)/float64(rounds)/1e3, "asked-kB")
				b.ReportMetric(float64(told)/float64(rounds*chunks*(nodes-1)), "B/chunk/mate")
				b.ReportMetric(float64(told+asked)/mib/(1<<20)*100, "%-of-blob")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

const (
	controlChunk = 32 << 10             // bytes
	controlPace  = 8 * time.Millisecond // for a chunk: 4 MB/s, which is slow, so that each message tells of few
	controlRun   = 1 << 20 / controlChunk
)

// control is a node that fetches, as far as what it says goes.
type control struct {
	mates       []ident.NodeID
	seed        ident.NodeID
	plan        *planner.Planner
	mate        *neighbour // stands for all of them: each is told the same
	digest      Digest
	chunks      int
	now, talked time.Time
	taking      bool // the mates are to be told what is taken over the uplink
	waiting     []planner.Request
	told, asked int // bytes
}

func newControl(nodes, chunks int) *control {
	c := &control{seed: ident.NodeID{1}, chunks: chunks, now: time.Unix(1, 0), digest: Digest{1}}
	sizes := make([]int32, chunks)
	for i := range sizes {
		sizes[i] = controlChunk
	}
	c.plan = planner.New(planner.Config{Self: ident.NodeID{9}, Site: "s", Blob: c.digest, Sizes: sizes, Have: func(int) bool { return false }})
	c.plan.PeerUp(c.seed, "far", c.now)
	c.plan.PeerHasAll(c.seed, c.now)
	for k := range nodes - 1 {
		id := ident.NodeID{2, byte(k), byte(k >> 8)}
		c.plan.PeerUp(id, "s", c.now)
		c.plan.PeerWants(id, true, c.now)
		c.mates = append(c.mates, id)
	}
	c.mate = newNeighbour(&Swarm{cfg: Config{Site: "s"}, ctx: context.Background()}, ident.NodeID{2}, "s")
	c.mate.swarm.mates.Store(int32(len(c.mates)))
	c.mate.wants[c.digest] = true
	c.say(message{kind: msgWant, digest: c.digest}, message{kind: msgBitmap, digest: c.digest, bitmap: store.NewBitmap(chunks)})
	return c
}

// say counts messages to all mates.
func (c *control) say(messages ...message) {
	for _, m := range messages {
		c.told += len(m.append(nil)) * len(c.mates)
	}
}

// fetch goes on until all is here.
func (c *control) fetch(b *testing.B) {
	for step := 0; !c.plan.Done(); step++ {
		c.hear(step)
		if c.ask(c.plan.Next(c.now)); len(c.waiting) == 0 && step*controlRun > c.chunks {
			b.Fatal("nothing to do")
		}
		for n := 0; n < 2 && len(c.waiting) > 0; n++ {
			c.get(c.waiting[0])
			c.waiting = c.waiting[1:]
		}
	}
	c.talk()
	c.say(message{kind: msgUnwant, digest: c.digest}, message{kind: msgWhole, digest: c.digest})
}

// hear has the mates say what they got: one after the other, each in its turn.
func (c *control) hear(step int) {
	first := step * controlRun
	for k := range c.mates {
		c.plan.PeerHasRun(c.mates[(step+k)%len(c.mates)], planner.Run{First: first, Count: controlRun}, c.now)
	}
}

func (c *control) ask(e planner.Effects) {
	c.taking = c.taking || e.Taking
	for _, r := range e.Requests {
		c.asked += len(appendRuns(nil, r.Runs))
	}
	c.waiting = append(c.waiting, e.Requests...)
}

func (c *control) get(r planner.Request) {
	for _, run := range r.Runs {
		for i := run.First; i < run.First+run.Count; i++ {
			c.now = c.now.Add(controlPace)
			c.plan.Got(i, r.Peer, c.now)
			if c.mate.tellGot(c.digest, []int{i}); c.now.Sub(c.talked) >= c.pause() {
				c.talk()
			}
		}
	}
}

// pause is how long it says nothing after news.
func (c *control) pause() time.Duration {
	p := c.mate.paced()
	if len(c.mate.news[c.digest]) >= plentyNews {
		return min(p, localTell)
	}
	return p
}

// talk tells the mates what there is to tell.
func (c *control) talk() {
	c.talked = c.now
	if c.taking {
		c.taking = false
		c.say(message{kind: msgTaking, digest: c.digest, runs: c.plan.Taking()})
	}
	c.say(c.mate.take()...)
}
