package gossip

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
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

// TestMateTakesFewStreams: a mate cannot have memberlist read from any number of its streams at once, each of which may take memory.
func TestMateTakesFewStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 3)
		s.members[0].Join(s.ids[1:]...)
		s.await(t, time.Minute, s.members...)
		honest, liar := s.members[0], s.members[1]
		for range 20 * maxStreams {
			conn, err := liar.cfg.Network.Open(t.Context(), honest.cfg.Self, streamProtocol)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		synctest.Wait()
		honest.trans.mu.Lock()
		held := len(honest.trans.held)
		honest.trans.mu.Unlock()
		if held > maxStreams {
			t.Errorf("memberlist has %d streams", held)
		}
		if _, err := s.members[2].serf.Join([]string{joinName(s.ids[0])}, true); err != nil {
			t.Errorf("another mate: %v", err)
		}
	})
}

// TestStreamGuard: memberlist is shown no stream that has it take much memory for a few bytes.
func TestStreamGuard(t *testing.T) {
	for _, c := range []struct {
		what, b string
		passes  bool
	}{
		{"a state", "\x06\x83\xa5Nodes\x02\xacUserStateLen\x07\xa4Join\xc3rest", true},
		{"a probe", "\x00\x82\xa5SeqNo\x01\xa4Node\xa1x", true},
		{"an answer to it", "\x02\x82\xa5SeqNo\x01\xa7Payload\xc0", true},
		{"an error", "\x0d\x81\xa5Error\xa1x", true},
		{"what is compressed", "\x09\x82\xa4Algo\x00\xa3Buf\xc0", false},
		{"a message of serf", "\x08\x81\xaaUserMsgLen\xce\x01\x00\x00\x00", false},
		{"a state of a million members", "\x06\x83\xa5Nodes\xce\x00\x0f\xff\xff\xacUserStateLen\x00\xa4Join\xc2", false},
		{"one of fewer than none", "\x06\x83\xa5Nodes\xff\xacUserStateLen\x00\xa4Join\xc2", false},
		{"a state of serf of 16 MiB", "\x06\x83\xa5Nodes\x00\xacUserStateLen\xce\x01\x00\x00\x00\xa4Join\xc2", false},
		{"one that is told twice", "\x06\x84\xa5Nodes\xce\x00\x0f\xff\xff\xacUserStateLen\x00\xa4Join\xc2\xa5Nodes\x00", true},
		{"a head without an end", "\x06\xdf\xff\xff\xff\xff" + strings.Repeat("\xa1x\x00", 1000), false},
		{"a head cut short", "\x06\x83\xa5No", false},
		{"nothing", "", false},
	} {
		in, err := guardStream(strings.NewReader(c.b))
		if (err == nil) != c.passes {
			t.Errorf("%s: %v", c.what, err)
		}
		if err != nil {
			continue
		}
		if all, err := io.ReadAll(in); string(all) != c.b || err != nil {
			t.Errorf("%s: memberlist is shown %q, %v", c.what, all, err)
		}
	}
}

// TestPacketGuard: what is compressed does not pass, wherever in a packet it is: once unpacked it may hold more of the same.
func TestPacketGuard(t *testing.T) {
	compound := func(parts ...string) string {
		head, all := []byte{7, byte(len(parts))}, ""
		for _, p := range parts {
			head, all = binary.BigEndian.AppendUint16(head, uint16(len(p))), all+p
		}
		return string(head) + all
	}
	for _, c := range []struct {
		what, b string
		passes  bool
	}{
		{"a probe", "\x00\x80", true},
		{"a probe with its sum", "\x0c\x01\x02\x03\x04\x00\x80", true},
		{"several", compound("\x00\x80", "\x04\x80", ""), true},
		{"several, cut short", compound("\x00\x80", "\x04\x80")[:5], true},
		{"compressed", "\x09\x80", false},
		{"compressed, with its sum", "\x0c\x01\x02\x03\x04\x09\x80", false},
		{"among several", compound("\x00\x80", "\x09\x80"), false},
		{"among several of several", compound("\x00\x80", compound("\x04", compound("\x09"))), false},
		{"nothing", "", true},
	} {
		if got := !compressed([]byte(c.b)); got != c.passes {
			t.Errorf("%s: passes %v", c.what, got)
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

// FuzzStreamGuard: what memberlist is shown of a stream is all that was sent, or nothing; and a packet is looked through without a panic.
func FuzzStreamGuard(f *testing.F) {
	f.Add([]byte("\x06\x83\xa5Nodes\x02\xacUserStateLen\x07\xa4Join\xc3rest"))
	f.Add([]byte("\x00\x82\xa5SeqNo\x01\xa4Node\xa1x"))
	f.Add([]byte("\x09\x82\xa4Algo\x00\xa3Buf\xc0"))
	f.Add([]byte("\x0c\x00\x00\x00\x00\x07\x02\x00\x02\x00\x01\x07\x00\x09"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if compressed(b) && !bytes.Contains(b, []byte{listCompressed}) {
			t.Error("nothing of it is compressed")
		}
		in, err := guardStream(bytes.NewReader(b))
		if err != nil {
			return
		}
		if all, err := io.ReadAll(in); err != nil || !bytes.Equal(all, b[:min(len(b), maxStream)]) {
			t.Errorf("memberlist is shown %d other bytes of %d, %v", len(all), len(b), err)
		}
	})
}
