package distribute

import (
	"context"
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
)

// Another site hears of the first chunks soon, since till then it has nothing to ask this one for; of many it is told together.
func TestFirstNewsGoSoon(t *testing.T) {
	n := newNeighbour(&Swarm{cfg: Config{Site: "s"}, ctx: context.Background()}, ident.NodeID{2}, "far")
	got := []message{{kind: msgGot}}
	for _, blob := range []Digest{{1}, {2}} { // each begins anew
		n.want(blob, true)
		rests := []time.Duration{n.pace([]message{{kind: msgWant}})}
		for range 5 {
			rests = append(rests, n.pace(got))
		}
		ms := time.Millisecond
		if want := []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms}; !slices.Equal(rests, want) {
			t.Errorf("rests %v, want %v", rests, want)
		}
	}
}
