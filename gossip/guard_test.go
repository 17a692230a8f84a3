package gossip

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/serf/serf"
)

// TestLyingMate: a mate cannot have the others keep what serf never forgets, nor strike a member that lives off their lists; by
// messages, or by its state.
func TestLyingMate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 3)
		s.members[0].Join(s.ids[1:]...)
		s.await(t, time.Minute, s.members...)
		honest, liar, victim := s.members[0], s.members[1], s.ids[2]
		if err := liar.serf.UserEvent("junk", bytes.Repeat([]byte{1}, 200), false); err != nil {
			t.Fatal(err)
		}
		if _, err := liar.serf.Query("junk", nil, nil); err != nil {
			t.Fatal(err)
		}
		_ = liar.serf.RemoveFailedNodePrune(victim.String()) // it may not wait until it has told everybody
		time.Sleep(3 * time.Minute)                          // states are exchanged once a minute
		if got := honest.serf.Stats(); got["event_time"] != "1" || got["query_time"] != "1" {
			t.Errorf("events up to %s, queries up to %s", got["event_time"], got["query_time"])
		}
		if !slices.Contains(honest.Members(), Member{victim, true}) {
			t.Errorf("struck off: %v", honest.Members())
		}
	})
}

// TestStateIsTaken: what an honest mate knows passes: that a member has left, which one heard that was cut off meanwhile.
func TestStateIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 3)
		s.members[0].Join(s.ids[1:]...)
		s.await(t, time.Minute, s.members...)
		s.net.drop(s.ids[2])
		if err := s.members[1].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.await(t, 2*time.Minute, s.members[2])
		s.net.set(s.ids[2], s.ids[0], false)
		s.members[2].Join(s.ids[0])
		time.Sleep(2 * time.Minute)
		for _, m := range s.members[2].serf.Members() {
			if m.Name == s.ids[1].String() && m.Status != serf.StatusLeft {
				t.Errorf("the one that left is %v", m.Status)
			}
		}
	})
}

func FuzzSerfGuard(f *testing.F) {
	f.Add([]byte("\x83\xa5LTime\x01\xa4Node\xa1x\xa5Prune\xc2"), []byte{0xc0})
	f.Add([]byte("\x81\xa6Events\xdc\x00\x02\xc0\xc0"), []byte{0xdc, 0, 1, 0xc0})
	f.Add([]byte("\x81\xa6Events\xdd\xff\xff\xff\xff\xc0\xc0"), []byte{0x92, 0xc0, 0x90})
	f.Fuzz(func(t *testing.T, b, value []byte) {
		if !fieldsFit(b, func(_ string, value []byte) bool { return len(value) > 0 }) && fieldsFit(b, func(string, []byte) bool { return true }) {
			t.Fatal("a value of no bytes")
		}
		if size, ok := packSize(value, packDepth); ok && (size < 1 || size > len(value)) {
			t.Fatalf("%d of %d bytes", size, len(value))
		}
		if size, ok := packSize(value, packDepth); ok && packEmpty(value[:size]) && bytes.Count(value[:size], []byte{0xc0})+5 < size {
			t.Fatalf("% x is taken for empty", value[:size])
		}
	})
}
