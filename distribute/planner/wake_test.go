package planner

import (
	"math/rand/v2"
	"testing"
	"time"

	"selvage/internal/ident"
)

// told is a planner of a node that is told this and that, of peers that give now and then what they are asked for.
type told struct {
	*Planner
	r      *rand.Rand
	now    time.Time
	peers  []ident.NodeID
	local  map[ident.NodeID]bool
	queues map[ident.NodeID][]int
}

const toldChunks = 120

// newTold returns one that knows some peers.
func newTold(r *rand.Rand) *told {
	t := &told{r: r, now: time.Unix(1, 0), local: map[ident.NodeID]bool{}, queues: map[ident.NodeID][]int{}}
	cfg := Config{Self: ident.NodeID{99}, Site: "s", Sizes: chunksOf(toldChunks, 64<<10), Have: func(int) bool { return false }}
	if r.IntN(2) == 0 {
		cfg.Began = t.now
	}
	t.Planner = New(cfg)
	for k := range 2 + r.IntN(6) {
		id := ident.NodeID{byte(k + 1)}
		t.peers = append(t.peers, id)
		t.meet(id, []string{"s", "a", "a", "b", "c"}[r.IntN(5)])
	}
	return t
}

// meet adds a peer that has all, or some, or nothing.
func (t *told) meet(id ident.NodeID, site string) {
	t.local[id] = site == "s"
	t.PeerUp(id, site, t.now)
	switch t.r.IntN(3) {
	case 0:
		t.PeerHasAll(id, t.now)
		t.PeerShares(id, Deal(t.r.IntN(3), 3))
	case 1:
		t.PeerHasRun(id, Run{t.r.IntN(toldChunks), t.r.IntN(toldChunks)}, t.now)
		fallthrough
	default:
		t.PeerWants(id, true, t.now)
	}
}

// hear tells it something.
func (t *told) hear() {
	id := t.peers[t.r.IntN(len(t.peers))]
	switch t.r.IntN(12) {
	case 0:
		t.PeerHasRun(id, Run{t.r.IntN(toldChunks), 1 + t.r.IntN(9)}, t.now)
	case 1:
		t.PeerTakes(id, []Run{{t.r.IntN(toldChunks), 1 + t.r.IntN(20)}}, t.now)
	case 2:
		t.Waits(id, t.now)
	case 3:
		t.Alive(id, t.now)
	case 4:
		t.Uplink(t.r.IntN(2) == 0, t.now)
	case 5:
		t.Failed(id, t.now)
		delete(t.queues, id)
	case 6:
		t.PeerGone(id)
		delete(t.queues, id)
		t.meet(id, map[bool]string{true: "s", false: "b"}[t.local[id]])
	default:
		for n := t.r.IntN(1 + len(t.queues[id])); n > 0; n-- {
			t.Got(t.queues[id][0], id, t.now)
			t.queues[id] = t.queues[id][1:]
		}
	}
}

// next does what the planner says.
func (t *told) next() Effects {
	e := t.Next(t.now)
	for _, id := range e.Cancel {
		delete(t.queues, id)
	}
	for _, q := range e.Requests {
		for _, run := range q.Runs {
			for i := run.First; i < run.First+run.Count; i++ {
				t.queues[q.Peer] = append(t.queues[q.Peer], i)
			}
		}
	}
	return e
}

// Who asks the planner only when something happens, and when it wants to be asked, misses nothing: between these it has nobody asked for
// anything, or asked no more; but what is withheld from seeds, which is looked at now and then.
func TestNothingIsMissedBeforeTheAlarm(t *testing.T) {
	for seed := range uint64(200) {
		p := newTold(rand.New(rand.NewPCG(seed, 7)))
		for range 40 {
			p.hear()
			wake := p.next().Wake
			quiet := []time.Duration{200 * time.Millisecond, 2 * time.Second, 12 * time.Second}[p.r.IntN(3)]
			for end := p.now.Add(quiet); p.now.Before(end) && !p.Done(); {
				p.now = p.now.Add(50 * time.Millisecond)
				withheld := p.trade.withheld
				e := p.next()
				if early := wake.IsZero() || p.now.Before(wake); !early {
					wake = e.Wake
				} else if len(e.Requests)+len(e.Cancel)+len(e.Listen) > 0 && !withheld {
					t.Fatalf("seed %d: at %v, before %v, it has %+v asked, %v no more, %v tell", seed, p.now, wake, e.Requests, e.Cancel, e.Listen)
				}
			}
		}
	}
}
