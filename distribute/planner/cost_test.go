package planner

import (
	"fmt"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/internal/worked"
)

// BenchmarkCost takes one node through a fetch, in sites of some nodes and for blobs of some chunks, its mates
// telling it of their part as they get it, and reports the processor time that the planner took for each piece, events included.
func BenchmarkCost(b *testing.B) {
	for _, c := range []struct{ nodes, chunks int }{{4, 1e3}, {4, 1e4}, {4, 1e5}, {4, 1e6}, {16, 1e4}, {64, 1e4}, {400, 1e4}, {400, 1e5}, {400, 1e6}} {
		b.Run(fmt.Sprintf("nodes=%d/chunks=%d", c.nodes, c.chunks), func(b *testing.B) {
			var took time.Duration
			pieces := 0
			for b.Loop() {
				d, n := fetchAmong(b, c.nodes, c.chunks)
				took, pieces = took+d, pieces+n
			}
			b.ReportMetric(float64(took.Microseconds())/float64(pieces), "µs/piece")
			b.ReportMetric(float64(took.Nanoseconds())/float64(pieces)/float64(c.nodes), "ns/piece/node")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fetchAmong has a node of a site fetch a blob, and returns how long that kept its planner busy, and how many pieces
// there were.
func fetchAmong(b *testing.B, nodes, chunks int) (took time.Duration, pieces int) {
	now := time.Unix(1, 0)
	p := New(Config{Self: ident.NodeID{9}, Site: "s", Sizes: chunksOf(chunks, 32<<10), Have: func(int) bool { return false }})
	seed := ident.NodeID{1}
	p.PeerUp(seed, "far", now)
	p.PeerHasAll(seed, now)
	mates := make([]ident.NodeID, nodes-1)
	for k := range mates {
		mates[k] = ident.NodeID{2, byte(k), byte(k >> 8)}
		p.PeerUp(mates[k], "s", now)
		p.PeerWants(mates[k], true, now)
	}
	began := worked.Time()
	at := 0 // the mates get the pieces one after the other, each in its turn, and hand them on
	var waiting []Request
	for !p.Done() {
		now = now.Add(10 * time.Millisecond)
		if len(mates) > 0 && at < len(p.pieces) {
			pc := p.pieces[at]
			for k := range mates {
				p.PeerHasRun(mates[(at+k)%len(mates)], Run{pc.first, pc.count}, now)
			}
			at++
		}
		if waiting = append(waiting, p.Next(now).Requests...); len(waiting) == 0 && at == len(p.pieces) {
			b.Fatal("nothing to do")
		}
		for n := 0; n < 2 && len(waiting) > 0; n++ { // faster than the mates, so that some comes over the uplink
			for _, run := range waiting[0].Runs {
				for i := run.First; i < run.First+run.Count; i++ {
					p.Got(i, waiting[0].Peer, now)
				}
			}
			waiting = waiting[1:]
		}
	}
	return worked.Time() - began, len(p.pieces)
}
