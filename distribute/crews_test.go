package distribute

import (
	"testing"
	"time"
)

// tells lists the nodes that some are asked by peers of other sites to tell what they have of a blob, each as often as it is asked.
func tells(nodes []*node, d Digest) (out []*node) {
	for _, n := range nodes {
		n.swarm.mu.Lock()
		for _, peer := range n.swarm.peers {
			if !peer.local && peer.wanting(d) {
				out = append(out, n)
			}
		}
		n.swarm.mu.Unlock()
	}
	return out
}

// telling is how many are asked to tell at a time, over the next seconds, and one of those who are in the end.
func telling(nodes []*node, d Digest) (mean float64, one *node) {
	const looks = 10
	for range looks {
		time.Sleep(500 * time.Millisecond)
		now := tells(nodes, d)
		if mean += float64(len(now)) / looks; len(now) > 0 {
			one = now[0]
		}
	}
	return mean, one
}

// Between the crews of two sites four tell, as each hears one, and as many again while they change: who is to tell no more is told so only once
// it has sent what it was asked for. All would be 32.
const (
	few     = 6
	fewMore = 8
)

// Two of each of two sites of four tell each other what they have; when one of them is cut off for some time, another takes its place.
func TestCrewsTellEachOther(t *testing.T) {
	run(t, func(t *testing.T, w *world) {
		for _, site := range []string{"a", "b", "c"} {
			w.net.uplink(site, 512<<10, 20*time.Millisecond)
		}
		seed := w.node("a")
		others := append(w.site("b", 4), w.site("c", 4)...)
		data := content(77, 12<<20)
		want := seed.add(data)
		w.mesh()
		w.net.wg.Go(func() {
			time.Sleep(time.Second)
			n, cut := telling(others, want.Digest)
			if n == 0 || n > few {
				t.Errorf("%.1f are asked to tell, want at most %d", n, few)
				return
			}
			for _, n := range w.nodes {
				if n != cut {
					w.net.disconnect(n.port, cut.port)
				}
			}
			if n, _ := telling(others, want.Digest); n == 0 || n > fewMore {
				t.Errorf("without one of them %.1f are asked to tell, want at most %d", n, fewMore)
			}
			if n, _ := telling(others, want.Digest); n == 0 || n > few {
				t.Errorf("when another has taken its place %.1f are asked to tell, want at most %d", n, few)
			}
			for _, n := range w.nodes {
				if n != cut {
					w.net.connect(n.port, cut.port)
				}
			}
		})
		w.fetchAll(others, want, 5*time.Minute)
		for _, n := range others {
			n.holds(want, data)
		}
	})
}
