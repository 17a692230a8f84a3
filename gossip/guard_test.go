package gossip

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
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

// passedOn counts what a guard lets through.
type passedOn struct {
	memberlist.Delegate
	messages int
}

func (p *passedOn) NotifyMsg([]byte)              { p.messages++ }
func (p *passedOn) MergeRemoteState([]byte, bool) { p.messages++ }

// TestSerfGuard: what serf would take for a pruning or for events does not pass, however it is written.
func TestSerfGuard(t *testing.T) {
	for _, c := range []struct {
		what, b string
		passes  bool
	}{
		{"a join", "\x01\x82\xa5LTime\x01\xa4Node\xa1x", true},
		{"a farewell", "\x00\x83\xa5LTime\x01\xa4Node\xa1x\xa5Prune\xc2", true},
		{"a pruning", "\x00\x83\xa5LTime\x01\xa4Node\xa1x\xa5Prune\xc3", false},
		{"a pruning that is taken back, and not", "\x00\x83\xa5Prune\xc2\xa4Node\xa1x\xa5Prune\xc3", false},
		{"a pruning as an array", "\x00\x93\xc0\xa1x\xc3", false},
		{"a farewell cut short", "\x00\x83\xa5LTime\x01\xa4No", false},
		{"an event", "\x03\x82\xa5LTime\x01\xa4Name\xa1x", false},
		{"a state", "\x02\x82\xa5LTime\x01\xa6Events\x92\xc0\xc0", true},
		{"a state with an event", "\x02\x82\xa5LTime\x01\xa6Events\x92\xc0\x80", false},
		{"a state as an array, with an event", "\x02\x96\x01\xc0\xc0\x01\x91\x80\x01", false},
		{"a state of more events than it has bytes", "\x02\x81\xa6Events\xdd\xff\xff\xff\xff\xc0\xc0", false},
		{"nothing", "", false},
	} {
		var p passedOn
		g := serfGuard{&p}
		g.NotifyMsg([]byte(c.b))
		g.MergeRemoteState([]byte(c.b), false)
		if (p.messages > 0) != c.passes {
			t.Errorf("%s: %d passed", c.what, p.messages)
		}
	}
}

// FuzzSerfGuard: nothing that comes breaks the guard, and what passes says nowhere, read as anything, that a member is pruned.
func FuzzSerfGuard(f *testing.F) {
	f.Add([]byte("\x00\x83\xa5LTime\x01\xa4Node\xa1x\xa5Prune\xc3"))
	f.Add([]byte("\x00\x93\xc0\xa1x\xc3"))
	f.Add([]byte("\x02\x81\xa6Events\xdc\x00\x02\xc0\xc0"))
	f.Add([]byte("\x02\x81\xa6Events\xdd\xff\xff\xff\xff\xc0\xc0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p passedOn
		g := serfGuard{&p}
		g.MergeRemoteState(b, true)
		g.NotifyMsg(b)
		var m map[string]any
		if p.messages > 0 && b[0] == serfLeave && unpack(b[1:], &m) == nil && m["Prune"] == true {
			t.Fatalf("% x passes", b)
		}
	})
}
