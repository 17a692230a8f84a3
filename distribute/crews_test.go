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

// few is four between the crews of two sites, each of whom hears one, and as many again while they change: who is to tell no more is
// told so only once it has sent what it was asked for. All would be 32.
const few = 8

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
			time.Sleep(5 * time.Second)
			telling := tells(others, want.Digest)
			if len(telling) == 0 || len(telling) > few {
				t.Errorf("%d are asked to tell, want at most %d", len(telling), few)
				return
			}
			cut := telling[0]
			for _, n := range w.nodes {
				if n != cut {
					w.net.disconnect(n.port, cut.port)
				}
			}
			time.Sleep(5 * time.Second)
			if telling := tells(others, want.Digest); len(telling) == 0 || len(telling) > few {
				t.Errorf("without one of them %d are asked to tell, want at most %d", len(telling), few)
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
