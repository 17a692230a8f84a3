package gossip

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/ident"
)

// testSite is the members of one site.
type testSite struct {
	net     *memNet
	ids     []ident.NodeID
	members []*Membership
}

func newSite(t *testing.T, size int) *testSite {
	t.Helper()
	s := &testSite{net: newMemNet()}
	t.Cleanup(func() { time.Sleep(Linger) })
	for i := range size {
		s.start(t, nodeID(0, i))
	}
	return s
}

func (s *testSite) start(t *testing.T, id ident.NodeID) *Membership {
	t.Helper()
	m, err := NewMembership(MembershipConfig{Network: s.net.port(id), Self: id, InSite: func(id ident.NodeID) bool { return id[0] == 1 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	s.ids, s.members = append(s.ids, id), append(s.members, m)
	return m
}

// await waits until the given members see as many alive as there are of them.
func (s *testSite) await(t *testing.T, limit time.Duration, members ...*Membership) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for _, m := range members {
		for alive(m) != len(members) {
			changed := m.Changed()
			if alive(m) == len(members) {
				break
			}
			select {
			case <-changed:
			case <-time.After(time.Until(deadline)):
				t.Fatalf("after %v %s sees %d of %d alive: %v", limit, m.cfg.Self.Short(), alive(m), len(members), m.Members())
			}
		}
	}
}

func alive(m *Membership) int {
	n := 0
	for _, o := range m.Members() {
		if o.Alive {
			n++
		}
	}
	return n
}

func TestChainOfJoinsConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 8)
		for i, m := range s.members[1:] {
			m.Join(s.ids[i])
		}
		s.await(t, 3*time.Minute, s.members...)
	})
}

func TestCrashIsSeenAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 5)
		s.members[0].Join(s.ids...)
		s.await(t, time.Minute, s.members...)
		s.net.drop(s.ids[4])
		begin := time.Now()
		s.await(t, time.Minute, s.members[:4]...)
		t.Logf("the crash was seen by all after %v", time.Since(begin))
		s.await(t, 2*time.Minute, s.members[4])
		for _, id := range s.ids[:4] {
			s.net.set(s.ids[4], id, false)
		}
		s.members[4].Join(s.ids[0])
		s.await(t, 5*time.Second, s.members...)
	})
}

func TestLeaveIsSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 3)
		s.members[0].Join(s.ids...)
		s.await(t, time.Minute, s.members...)
		if err := s.members[2].Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.await(t, 5*time.Second, s.members[:2]...)
	})
}

func TestLeaveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 2)
		s.members[0].Join(s.ids...)
		s.await(t, time.Minute, s.members...)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := s.members[0].Leave(ctx); err == nil {
			t.Error("left though there was no time")
		}
	})
}

// TestNoLeaveInAHurry: who has no time left says nothing, and so is down at once.
func TestNoLeaveInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 2)
		s.members[0].Join(s.ids...)
		s.await(t, time.Minute, s.members...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		if err := s.members[0].Leave(ctx); err == nil {
			t.Error("left though there was no time")
		}
		if err := s.members[0].Close(); err != nil || time.Since(begin) > 100*time.Millisecond {
			t.Errorf("closed after %v: %v", time.Since(begin), err)
		}
	})
}

func TestStrangersStayOutOfTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 2)
		s.members[0].Join(s.ids...)
		s.await(t, time.Minute, s.members...)
		stranger := nodeID(7, 0)
		for _, protocol := range []string{packetProtocol, streamProtocol} {
			conn, err := s.net.port(stranger).Open(t.Context(), s.ids[0], protocol)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%s: %v, want the stream closed", protocol, err)
			}
		}
		s.members[0].Join(stranger)
		time.Sleep(time.Minute)
		s.await(t, time.Second, s.members...)
	})
}

// TestNotAdmittedYet: a node that nobody has admitted is a site of one, and can leave it.
func TestNotAdmittedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(Linger) })
		id := nodeID(0, 0)
		m, err := NewMembership(MembershipConfig{Network: newMemNet().port(id), Self: id, InSite: func(ident.NodeID) bool { return false }})
		if err != nil {
			t.Fatal(err)
		}
		if ms := m.Members(); len(ms) != 1 || ms[0] != (Member{ID: id, Alive: true}) {
			t.Errorf("members: %v", ms)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := m.Leave(ctx); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}
