package lease

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestRestartIsMute is R7: a voter that was started is silent for Settings.Acceptance, to the last moment.
func TestRestartIsMute(t *testing.T) {
	rec := Record{Config: Config{Epoch: 1, Voters: voters(0, 1, 2)}}
	m, fx := Start(nodeID(0), Defaults(), rec, 1, time.Hour)
	if fx.Record == nil || fx.Record.Incarnation.Count != 1 {
		t.Fatalf("a start that is not durable: %+v", fx)
	}
	b := Ballot{1, Incarnation{1, 1}, nodeID(1)}
	ask := Message{Kind: Prepare, Ballot: b, Life: b.Incarnation, Config: rec.Config}
	end := time.Hour + Defaults().Acceptance()
	if fx := m.Receive(end-1, nodeID(1), ask); len(fx.Send) > 0 {
		t.Errorf("it speaks: %+v", fx)
	}
	if fx := m.Receive(end, nodeID(1), ask); len(fx.Send) != 1 || fx.Send[0].Message.Kind != Promise || fx.Record == nil {
		t.Errorf("no durable promise: %+v", fx)
	}
}

// TestFounder leads alone, once it is mute no more, with one write; and knows when.
func TestFounder(t *testing.T) {
	m, _ := Start(nodeID(0), Defaults(), Record{Config: Found(nodeID(0))}, 1, 0)
	at, ok := m.Next()
	if want := Defaults().Acceptance(); !ok || at != want {
		t.Fatalf("next at %v, want %v", at, want)
	}
	fx := m.Tick(at)
	if fx.Record == nil || !fx.Lease.Active(at) || fx.Lease.Deadline != at+Defaults().Authority || fx.Lease.Token.Epoch != 1 {
		t.Errorf("no lease: %+v", fx)
	}
	if leader, ok := m.Leader(at); !ok || leader.Token != fx.Lease.Token || leader.Deadline < fx.Lease.Deadline {
		t.Errorf("leader %+v, %v", leader, ok)
	}
}

// TestRenumber: the holder has a higher token from its next renewal on, and leads throughout.
func TestRenumber(t *testing.T) {
	m, _ := Start(nodeID(0), Defaults(), Record{Config: Found(nodeID(0))}, 1, 0)
	if fx := m.Renumber(0); len(fx.Send) > 0 || fx.Lease != (Lease{}) {
		t.Errorf("who holds nothing: %+v", fx)
	}
	at, _ := m.Next()
	held := m.Tick(at).Lease
	if fx := m.Renumber(at); fx.Lease != held {
		t.Errorf("at once: %+v, not %+v", fx.Lease, held)
	}
	for range 3 {
		at, _ = m.Next()
		fx := m.Tick(at)
		if !fx.Lease.Active(at) || fx.Lease.Token.Compare(held.Token) <= 0 && fx.Lease.Deadline > held.Deadline {
			t.Fatalf("%+v after %+v", fx.Lease, held)
		}
		if fx.Lease.Token != held.Token {
			if fx.Record == nil || fx.Lease.Token.Ballot.Counter != held.Token.Ballot.Counter+1 {
				t.Errorf("%+v after %+v", fx, held)
			}
			return
		}
	}
	t.Error("it renews, and has no other token")
}

func TestClockThatGoesBack(t *testing.T) {
	m, _ := Start(nodeID(0), Defaults(), Record{Config: Found(nodeID(0))}, 1, time.Hour)
	now, _ := m.Next()
	if fx := m.Tick(now); !fx.Lease.Active(now) {
		t.Fatal("no lease")
	}
	now -= time.Minute
	fx := m.Tick(now)
	if fx.Lease != (Lease{}) || !slices.Contains(fx.Alarms, Alarm{ClockWentBack, nodeID(0)}) {
		t.Errorf("it leads on: %+v", fx)
	}
	if at, _ := m.Next(); at < now+abstention {
		t.Errorf("it abstains until %v only", at)
	}
}

// TestClocks: a clock that runs out of bounds is found, whosever it is, and those within them go on.
func TestClocks(t *testing.T) {
	for _, c := range []struct {
		name  string
		bad   int
		ppm   int64
		stays bool // the first leader
	}{
		{"an acceptor's is fast", 1, 50_000, true},
		{"an acceptor's is slow", 1, -50_000, true},
		{"the leader's is fast", 0, 50_000, false},
		{"the leader's is slow", 0, -50_000, false},
	} {
		s := newSite(t, 0, 3, 3)
		for _, n := range s.nodes {
			n.ppm = 0
		}
		s.nodes[c.bad].ppm = c.ppm
		s.nodes[c.bad].m.abstain(s.clock(c.bad), ClockDeviates) // lest it leads, or does not, by chance
		s.nodes[c.bad].alarms = nil
		if c.bad == 0 {
			s.nodes[0].m.mute, s.nodes[1].m.mute, s.nodes[2].m.mute = 0, time.Minute, 0
		}
		first := s.elect()
		s.run(11*time.Minute, nil)
		if c.stays && s.leader() != first || s.leader() == c.bad {
			t.Errorf("%s: %d leads after %d", c.name, s.leader(), first)
		}
		if len(s.nodes[c.bad].alarms) == 0 {
			t.Errorf("%s: it does not know", c.name)
		}
	}
}

// TestDiskPutBack: a node that hears of a life that its disk has forgotten starts anew, above it.
func TestDiskPutBack(t *testing.T) {
	old := Record{Config: Config{Epoch: 1, Voters: voters(0, 1, 2)}}
	m, _ := Start(nodeID(0), Defaults(), old, 2, 0)
	now := time.Minute
	forgotten := Ballot{40, Incarnation{1, 1}, nodeID(0)}
	fx := m.Learn(now, nodeID(1), Config{Epoch: 2, Voters: voters(0, 1)}, Token{2, forgotten})
	if fx.Record == nil || fx.Record.Incarnation.Count != 2 || fx.Record.Config.Epoch != 2 || !slices.Contains(fx.Alarms, Alarm{DiskWentBack, nodeID(0)}) {
		t.Fatalf("%+v", fx)
	}
	now, _ = m.Next()
	if now < time.Minute+Defaults().Acceptance() {
		t.Errorf("it is mute until %v only", now)
	}
	fx = m.Tick(now)
	if len(fx.Send) == 0 || fx.Send[0].Message.Ballot.Counter <= forgotten.Counter {
		t.Errorf("a token may come again: %+v", fx)
	}
}

func TestWitnessNeverLeads(t *testing.T) {
	c := Config{Epoch: 1, Voters: []Voter{{nodeID(0), true}, {nodeID(1), false}, {nodeID(2), false}}}
	m, _ := Start(nodeID(0), Defaults(), Record{Config: c}, 1, 0)
	if at, ok := m.Next(); ok {
		t.Errorf("it has something to do at %v", at)
	}
	if fx := m.Tick(time.Hour); len(fx.Send) > 0 || fx.Lease != (Lease{}) {
		t.Errorf("it asks: %+v", fx)
	}
}

func TestChangeRefuses(t *testing.T) {
	s := newSite(t, 1, 4, 3)
	lead := s.elect()
	m := s.nodes[lead].m
	other := s.nodes[(lead+1)%3].m
	if _, err := other.Change(s.clock((lead+1)%3), voters(0, 1, 2, 3)); !errors.Is(err, ErrNotHolder) {
		t.Errorf("a voter that leads nothing: %v", err)
	}
	var rest []int
	for i := range 3 {
		if i != lead {
			rest = append(rest, i)
		}
	}
	for _, vs := range [][]Voter{voters(rest...), voters(3), nil} {
		if _, err := m.Change(s.clock(lead), vs); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d voters: %v", len(vs), err)
		}
	}
	fx, err := m.Change(s.clock(lead), voters(0, 1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	s.do(lead, fx)
	if _, err := m.Change(s.clock(lead), voters(0, 1, 2)); !errors.Is(err, ErrChanging) {
		t.Errorf("during another: %v", err)
	}
}

// grow has the holder do what Propose says, until that is nothing.
func (s *site) grow(silent map[int]time.Duration) {
	s.run(30*time.Second, func() bool {
		lead := s.leader()
		if lead < 0 || !s.nodes[lead].m.Settled(s.clock(lead)) {
			return false
		}
		var members []Member
		for i := range s.nodes {
			members = append(members, Member{Node: nodeID(i), Silent: silent[i]})
		}
		m := s.nodes[lead].m
		next, ok := Propose(m.Config(), nodeID(lead), members)
		if !ok {
			return true
		}
		fx, err := m.Change(s.clock(lead), next)
		if err != nil {
			s.t.Fatal(err)
		}
		s.do(lead, fx)
		return false
	})
}

// TestGrowth: a founder, then three, then five; a voter that is gone is replaced; all under one leader.
func TestGrowth(t *testing.T) {
	s := newSite(t, 3, 6, 1)
	s.elect()
	s.run(20*time.Second, nil)
	s.grow(map[int]time.Duration{3: time.Hour, 4: time.Hour, 5: time.Hour})
	if c := s.nodes[0].m.Config(); !c.equal(Config{3, voters(0, 1, 2)}) {
		t.Fatalf("grown to %+v", c)
	}
	s.grow(map[int]time.Duration{5: time.Hour})
	if c := s.nodes[0].m.Config(); !c.equal(Config{5, voters(0, 1, 2, 3, 4)}) {
		t.Fatalf("grown to %+v", c)
	}
	s.crash(2)
	s.grow(map[int]time.Duration{2: Gone})
	if c := s.nodes[0].m.Config(); !c.equal(Config{7, voters(0, 1, 3, 4, 5)}) {
		t.Fatalf("replaced: %+v", c)
	}
	if s.leader() != 0 {
		t.Errorf("%d leads", s.leader())
	}
	s.start(2)
	s.run(time.Minute, nil)
	s.crash(0)
	s.run(time.Minute, nil)
	if l := s.leader(); l < 0 || l == 2 {
		t.Errorf("%d leads after the founder", l)
	}
}

func TestSettingsCheck(t *testing.T) {
	if err := Defaults().Check(); err != nil {
		t.Fatal(err)
	}
	if d := Defaults().Acceptance(); d != 10304040405*time.Nanosecond {
		t.Errorf("acceptance %d", d)
	}
	for name, spoil := range map[string]func(*Settings){
		"authority": func(s *Settings) { s.Authority = 0 },
		"margin":    func(s *Settings) { s.Margin = -1 },
		"drift":     func(s *Settings) { s.DriftPPM = million },
		"renew":     func(s *Settings) { s.Renew = s.Authority },
		"resend":    func(s *Settings) { s.Resend = 0 },
	} {
		s := Defaults()
		spoil(&s)
		if s.Check() == nil {
			t.Errorf("%s is let pass", name)
		}
	}
}

// BenchmarkRenewal is a round of a holder with five voters: its own step, and those of the answers.
func BenchmarkRenewal(b *testing.B) {
	s := newSite(b, 1, 5, 5)
	s.elect()
	s.run(20*time.Second, nil)
	b.ResetTimer()
	for range b.N {
		s.run(s.set.Renew, nil)
	}
}
