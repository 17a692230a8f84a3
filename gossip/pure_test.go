package gossip

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"selvage/internal/ident"
)

func TestDuty(t *testing.T) {
	var mates []ident.NodeID
	for i := range 7 {
		mates = append(mates, nodeID(0, i))
	}
	carried := map[ident.NodeID]int{}
	for i := range 700 {
		feed := fmt.Sprint("/durable/", i)
		n := 0
		for _, m := range mates {
			if duty(feed, mates, m) {
				n++
				carried[m]++
			}
		}
		if n != carriers {
			t.Fatalf("%d mates carry %s, want %d", n, feed, carriers)
		}
	}
	for m, n := range carried {
		if n < 120 || n > 280 { // 200 each on average
			t.Errorf("%x carries %d of 700 feeds", m[:2], n)
		}
	}
}

func TestDutyMovesOnlyFromWhoLeft(t *testing.T) {
	var mates []ident.NodeID
	for i := range 5 {
		mates = append(mates, nodeID(0, i))
	}
	for i := range 100 {
		feed := fmt.Sprint("/durable/", i)
		for _, m := range mates[:4] {
			if duty(feed, mates, m) && !duty(feed, mates[:4], m) {
				t.Errorf("%x drops %s as another leaves", m[:2], feed)
			}
		}
	}
}

func TestDutyOfFew(t *testing.T) {
	a, b := nodeID(0, 0), nodeID(0, 1)
	for _, mates := range [][]ident.NodeID{nil, {a}, {a, b}, {b}} {
		if !duty("/durable/x", mates, a) {
			t.Errorf("no duty among %d mates", len(mates))
		}
	}
}

func TestRelays(t *testing.T) {
	own, mate, outside := source{own: true}, source{local: true}, source{}
	tests := []struct {
		name               string
		src                source
		toLocal, site, dut bool
		want               bool
	}{
		{"own to mate", own, true, false, false, true},
		{"own across", own, false, false, false, true},
		{"own site feed to mate", own, true, true, false, true},
		{"own site feed across", own, false, true, true, false},
		{"mate's across on duty", mate, false, false, true, true},
		{"mate's across off duty", mate, false, false, false, true},
		{"mate's site feed across", mate, false, true, true, false},
		{"mate's to mate on duty", mate, true, false, true, true},
		{"mate's to mate off duty", mate, true, false, false, false},
		{"outsider's to mate", outside, true, false, false, true},
		{"outsider's across on duty", outside, false, false, true, true},
		{"outsider's across off duty", outside, false, false, false, true},
	}
	for _, tt := range tests {
		if got := relays(tt.src, tt.toLocal, tt.site, tt.dut); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	d, e := [8]byte{1}, [8]byte{2}
	mine := map[string]Mark{"ahead": {5, d}, "behind": {2, d}, "equal": {3, d}, "differs": {4, d}, "new": {1, d}}
	theirs := map[feedHash]Mark{
		hashFeed("ahead"): {3, e}, hashFeed("behind"): {6, e}, hashFeed("equal"): {3, d},
		hashFeed("differs"): {4, e}, hashFeed("theirs"): {9, e},
	}
	got := compare(frontierOf(maps.All(mine)), theirs, places{})
	if diff := cmp.Diff([]span{{"ahead", 3}, {"differs", 0}, {"new", 0}}, got.Give); diff != "" {
		t.Errorf("give: %s", diff)
	}
	wants := map[feedHash]uint64{}
	for _, w := range got.Want {
		wants[w.Feed] = w.After
	}
	if diff := cmp.Diff(map[feedHash]uint64{hashFeed("behind"): 2, hashFeed("differs"): 0, hashFeed("theirs"): 0}, wants); diff != "" {
		t.Errorf("want: %s", diff)
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	n := 0
	for q.put(Record{Feed: "f", Seq: 1}, false) {
		n++
	}
	if n != maxQueued {
		t.Errorf("holds %d records, want %d", n, maxQueued)
	}
	q = newQueue()
	bytes := 0
	for r := (Record{"f", 1, make([]byte, MaxData)}); q.put(r, false); {
		bytes += r.size()
	}
	if bytes > maxQueuedBytes || bytes < maxQueuedBytes-2*MaxData {
		t.Errorf("holds %d bytes, want about %d", bytes, maxQueuedBytes)
	}
	for bytes > 0 {
		for _, r := range q.next() {
			bytes -= r.size()
		}
	}
	if q.bytes != 0 || len(q.records) != 0 {
		t.Errorf("%d bytes and %d records are left of nothing", q.bytes, len(q.records))
	}
}
