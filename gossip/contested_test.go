package gossip

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/internal/ident"
)

// contestedFleet is two nodes of two sites. Each holds all of each feed of the first node but the records that skip names; the numbers are the
// same. bytes counts what goes between them.
func contestedFleet(feeds int, skip func(node, seq int) bool) (f *testFleet, bytes *atomic.Int64) {
	f, bytes = restingFleet(2, 1, time.Second), new(atomic.Int64)
	f.net.spy = func(_, _ ident.NodeID, _ string, b []byte) { bytes.Add(int64(len(b))) }
	for i := range feeds {
		author := fmt.Sprint("author", i)
		for n, node := range f.nodes {
			node.log.Offer(ident.NodeID{}, []Record{{admitFeed, uint64(i + 1), []byte(author)}})
			for seq := 1; seq <= contestedRecords; seq++ {
				if r := (Record{"/register/" + author, uint64(seq), fmt.Appendf(nil, "%d=%s", seq, strings.Repeat("x", 2000))}); !skip(n, seq) {
					node.log.Offer(ident.NodeID{}, []Record{r})
				}
			}
		}
	}
	return f, bytes
}

const (
	contestedRecords = 100
	contestedBytes   = contestedRecords * 2050 // three times what a short session holds
)

// TestContestedFeedConverges: what is missing in the middle of a feed comes wherever it lies, and though a session is too short for the feed; of the
// feed no more is sent than once each way by each end.
func TestContestedFeedConverges(t *testing.T) {
	holes := map[string]func(node, seq int) bool{
		"at the beginning": func(node, seq int) bool { return node == 0 && seq == 1 },
		"before the end":   func(node, seq int) bool { return node == 1 && seq == contestedRecords-1 },
		"on both sides":    func(node, seq int) bool { return seq%20 == 10*node },
	}
	for name, skip := range holes {
		for _, feeds := range []int{1, 3} {
			t.Run(fmt.Sprint(name, " ", feeds), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, bytes := contestedFleet(feeds, skip)
					defer f.close()
					f.pairs(all, f.link)
					time.Sleep(20 * time.Second)
					if d := f.diverged(); d != "" {
						t.Errorf("%s still differs", d)
					}
					if most := int64(5 * contestedBytes * feeds); bytes.Load() > most {
						t.Errorf("%d bytes were sent, want at most %d", bytes.Load(), most)
					}
					if a, b := f.nodes[0], f.nodes[1]; !a.syncedWith(b.id) && !b.syncedWith(a.id) {
						t.Error("no whole session was told of")
					}
				})
			})
		}
	}
}

// TestIrreconcilablePeersBackOff: two nodes that hold what the other never takes do not send it at full speed.
func TestIrreconcilablePeersBackOff(t *testing.T) {
	const minutes = 15
	tests := map[string]func(f *testFleet){
		"contested feeds": func(f *testFleet) {
			for i := range 2 {
				for _, n := range f.nodes {
					for seq := range contestedRecords {
						n.log.publish(fmt.Sprint("/durable/author", i), n.name+fmt.Sprint(seq)+strings.Repeat("x", 2000))
					}
				}
			}
		},
		"a feed that cannot be judged": func(f *testFleet) {
			feed := "/durable/stranger"
			for seq := range uint64(contestedRecords) {
				f.nodes[0].log.feeds[feed] = append(f.nodes[0].log.feeds[feed], Record{feed, seq + 1, make([]byte, 2000)})
			}
		},
	}
	for name, hold := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, bytes := contestedFleet(2, func(_, _ int) bool { return false })
				defer f.close()
				for _, n := range f.nodes {
					n.log.onStored = nil
				}
				hold(f)
				f.pairs(all, f.link)
				time.Sleep(10 * time.Minute)
				begun := bytes.Load()
				time.Sleep(minutes * time.Minute)
				// Each end begins maxRounds sessions about once a minute, until it has gone through all or sees that it gets no further.
				const most = 2 * maxRounds * 2 * maxShare
				if got := (bytes.Load() - begun) / minutes; got > most {
					t.Errorf("%d bytes a minute, want at most %d", got, most)
				}
			})
		})
	}
}

func TestUnread(t *testing.T) {
	feed := func(name string) feedHash { return hashFeed(name) }
	asked := []want{{feed("a"), 0}, {feed("b"), 5}, {feed("hurry"), 7}, {feed("c"), 0}}
	urgent := func(w want) bool { return w.Feed == feed("hurry") }
	tests := []struct {
		name string
		got  map[feedHash]uint64
		want []want
	}{
		{"nothing came", nil, []want{{feed("hurry"), 7}, {feed("a"), 0}, {feed("b"), 5}, {feed("c"), 0}}},
		{"some of the urgent feed", map[feedHash]uint64{feed("hurry"): 9}, []want{{feed("hurry"), 9}, {feed("a"), 0}, {feed("b"), 5}, {feed("c"), 0}}},
		{"one feed, some of the next", map[feedHash]uint64{feed("a"): 3, feed("b"): 8}, []want{{feed("b"), 8}, {feed("c"), 0}}},
		{"of the last alone", map[feedHash]uint64{feed("c"): 2}, []want{{feed("c"), 2}}},
		{"what was not asked for", map[feedHash]uint64{feed("d"): 2, feed("b"): 6}, []want{{feed("b"), 6}, {feed("c"), 0}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, unread(asked, tt.got, urgent)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
