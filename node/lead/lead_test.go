package lead

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"selvage/internal/disk"
	"selvage/internal/frame"
	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// TestVotersGrow: the founder leads alone, then among three, then among five, and the ledger hears of each.
func TestVotersGrow(t *testing.T) {
	play(t, 6, func(t *testing.T, s *site) {
		s.settle(5)
		time.Sleep(time.Second)
		told := s.nodes[0].told()
		if last := told[len(told)-1]; len(last.Config.Voters) != 5 || last.Token.Epoch != 5 {
			t.Errorf("the ledger hears %+v", last)
		}
		v := s.nodes[3].lead().View()
		if v.Leader.Token.Ballot.Node != id(0) || v.Config.Epoch != 5 {
			t.Errorf("another voter sees %+v", v)
		}
	})
}

// TestTwoNodes: of two nodes the founder leads, and is the only voter.
func TestTwoNodes(t *testing.T) {
	play(t, 2, func(t *testing.T, s *site) {
		s.settle(1)
		time.Sleep(time.Minute)
		if n := len(s.nodes[0].lead().View().Config.Voters); n != 1 {
			t.Errorf("%d voters", n)
		}
	})
}

// TestWitness: of two nodes and a witness, either node may be lost, and so may the witness, which goes on with what it promised; it
// is asked for the site that it is named for.
func TestWitness(t *testing.T) {
	play(t, 2, func(t *testing.T, s *site) {
		w := s.addWitness()
		s.settle(3)
		for _, gone := range []*member{s.nodes[0], s.nodes[1]} {
			gone.crash()
			s.await("the other leads", 14*time.Second, func() bool { l := s.leader(); return l != nil && l != gone })
			gone.start()
			time.Sleep(20 * time.Second)
		}
		leader := s.leader()
		w.crash()
		time.Sleep(20 * time.Second)
		if s.leader() != leader {
			t.Error("the lead is lost with the witness")
		}
		w.witness()
		if _, err := w.fs.Stat("lease-store"); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		leader.crash()
		s.await("the other leads, with the vote of the witness", 14*time.Second, func() bool { return s.leader() != nil })
	})
}

// TestWitnessHearsItsSite: who is not of the site that it asks for is not answered, nor one who asks for a site that the witness was
// not named for.
func TestWitnessHearsItsSite(t *testing.T) {
	play(t, 1, func(t *testing.T, s *site) {
		w := s.addWitness()
		for site, from := range map[string]ident.NodeID{"elsewhere": id(0), "store": id(witnesses), "nowhere": id(0)} {
			a, b := net.Pipe()
			s.wg.Go(func() { w.handler()(from, b) })
			if err := frame.Write(a, []byte(site)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("%s is answered: %v", site, err)
			}
		}
	})
}

// TestNobodyFounds: without a founder nobody leads.
func TestNobodyFounds(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.nodes[0].crash()
		s.nodes[0].fs = nil
		time.Sleep(time.Minute)
		if l := s.leader(); l != nil {
			t.Errorf("node %d leads", l.i)
		}
	})
}

// TestFailOver: after a crash of the leader another one leads within an authority and 3 s; the token grows.
func TestFailOver(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		before, _ := s.nodes[0].lead().Fence()
		s.nodes[0].crash()
		took := s.await("another leader", 13*time.Second, func() bool { return s.leader() != nil })
		after, ok := s.leader().lead().Fence()
		if !ok || after <= before {
			t.Errorf("epoch %d after %d", after, before)
		}
		t.Logf("after %v", took)
		s.nodes[0].start() // it remembers, and lets the other lead
		time.Sleep(time.Minute)
		if s.leader() == s.nodes[0] {
			t.Error("who came back has taken over")
		}
	})
}

// worker is work that goes on by itself, as doc.go wants it. As a stop is waited for before Term is true again, what it guards
// need not be held while it waits.
type worker struct {
	m     *member
	grace time.Duration // how long it takes to end politely; it is killed when the context ends

	mu     sync.Mutex
	runs   bool
	begun  int
	killed int
}

func work(m *member, grace time.Duration) *worker {
	w := &worker{m: m, grace: grace}
	m.lead().OnStop(func(ctx context.Context) {
		if !w.running() {
			return
		}
		timer := time.NewTimer(w.grace)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.runs = false
		if ctx.Err() != nil {
			w.killed++
		}
	})
	return w
}

func (w *worker) running() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs
}

func (w *worker) times() (begun, killed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun, w.killed
}

// tend starts the work whenever it may run, until done is closed.
func (w *worker) tend(done <-chan struct{}) {
	for {
		changed := w.m.lead().Changed()
		w.mu.Lock()
		if w.m.lead().Term().Go && !w.runs {
			w.runs = true
			w.begun++
		}
		w.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return
		}
	}
}

// TestWorkIsStoppedInTime: a leader that is cut off stops its work before another leads, politely if that is quick
// enough, and starts it again when it leads again.
func TestWorkIsStoppedInTime(t *testing.T) {
	for _, grace := range []time.Duration{time.Second, time.Hour} {
		play(t, 3, func(t *testing.T, s *site) {
			s.settle(3)
			w := work(s.nodes[0], grace)
			done := make(chan struct{})
			s.wg.Go(func() { w.tend(done) })
			time.Sleep(time.Second)
			if !w.running() {
				t.Fatal("it does not run")
			}
			s.setCut(0, true)
			s.await("another leader", 13*time.Second, func() bool {
				l := s.leader()
				if l != nil && l != s.nodes[0] && w.running() {
					t.Fatal("it runs on")
				}
				return l != nil && l != s.nodes[0]
			})
			if _, killed := w.times(); (grace < StopMargin(lease.Defaults())) != (killed == 0) {
				t.Errorf("with a grace of %v it was killed %d times", grace, killed)
			}
			s.setCut(0, false)
			s.nodes[1].crash()
			s.nodes[2].crash()
			s.nodes[1].start()
			s.nodes[2].start()
			if err := yieldAll(s); err != nil {
				t.Error(err)
			}
			close(done)
		})
	}
}

// yieldAll has every leader yield until the first node leads.
func yieldAll(s *site) error {
	s.await("a leader", time.Minute, func() bool { return s.leader() != nil })
	for range 10 {
		l := s.leader()
		if l == s.nodes[0] {
			return nil
		}
		if err := l.lead().Yield(context.Background()); err != nil {
			return err
		}
		s.await("another leader", 15*time.Second, func() bool { return s.leader() != nil })
	}
	return errors.New("the first node never leads")
}

// TestShortCutChangesNothing: a cut that is shorter than it takes to stop work is not noticed by it.
func TestShortCutChangesNothing(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		w := work(s.nodes[0], time.Second)
		done := make(chan struct{})
		s.wg.Go(func() { w.tend(done) })
		for range 20 {
			s.setCut(0, true)
			time.Sleep(3 * time.Second)
			s.setCut(0, false)
			time.Sleep(4 * time.Second)
		}
		if begun, _ := w.times(); begun != 1 || !w.running() {
			t.Errorf("it was begun %d times", begun)
		}
		close(done)
	})
}

// TestYield: who yields stops its work first; another leads within a second, and the one that yielded does not come back at once.
func TestYield(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		w := work(s.nodes[0], 5*time.Second)
		done := make(chan struct{})
		s.wg.Go(func() { w.tend(done) })
		time.Sleep(time.Second)
		begin := time.Now()
		if err := s.nodes[0].lead().Yield(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 5*time.Second || w.running() {
			t.Errorf("it yielded after %v, and the work runs: %v", took, w.running())
		}
		took := s.await("another leader", time.Second, func() bool { return s.leader() != nil })
		if s.leader() == s.nodes[0] {
			t.Error("it leads again")
		}
		if err := s.nodes[0].lead().Yield(t.Context()); !errors.Is(err, ErrNotLeading) {
			t.Errorf("yielded twice: %v", err)
		}
		t.Logf("after %v", took)
		close(done)
	})
}

// TestYieldGivesUp: if the work does not stop in the time that the caller has, the lease stays.
func TestYieldGivesUp(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		w := work(s.nodes[0], time.Minute)
		done := make(chan struct{})
		s.wg.Go(func() { w.tend(done) })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := s.nodes[0].lead().Yield(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		for range 50 {
			time.Sleep(time.Second)
			if s.leader() != s.nodes[0] || s.nodes[0].lead().Term().Left < 4*time.Second {
				t.Fatalf("it leads on for %v only", s.nodes[0].lead().Term().Left)
			}
		}
		s.await("work again", 20*time.Second, func() bool {
			begun, _ := w.times()
			return w.running() && begun == 2
		})
		close(done)
	})
}

// TestClosePassesOn: a node that goes politely leaves no gap.
func TestClosePassesOn(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		if err := s.nodes[0].lead().Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.nodes[0].set(nil)
		s.await("another leader", time.Second, func() bool { return s.leader() != nil })
	})
}

// TestDiskFull: a node that cannot remember takes no part, says so, and does again when it can.
func TestDiskFull(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		for _, m := range s.nodes[1:] {
			m.setBroken(true)
		}
		time.Sleep(time.Minute)
		if s.leader() != s.nodes[0] {
			t.Fatal("a renewal needs the disk")
		}
		s.nodes[0].crash()
		time.Sleep(time.Minute)
		if l := s.leader(); l != nil {
			t.Errorf("node %d leads", l.i)
		}
		if said := s.nodes[1].said(); !strings.Contains(said, "takes no part in leading its site: keep the lease: ") {
			t.Errorf("alerts %q", said)
		}
		for _, m := range s.nodes[1:] {
			m.setBroken(false)
		}
		s.await("a leader", 30*time.Second, func() bool { return s.leader() != nil })
	})
}

// TestRecordComesFirst: what the disk remembers is what was said, at every moment.
func TestRecordComesFirst(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		token, _ := s.nodes[0].lead().Active()
		for _, m := range s.nodes {
			data, err := disk.ReadFile(m.fs, recordFile, lease.MaxEncoded)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := lease.DecodeRecord(data)
			if err != nil || rec.Promised.Compare(token.Ballot) < 0 && m.lead().View().Leader.Token == token {
				t.Errorf("node %d remembers %+v, %v", m.i, rec, err)
			}
		}
	})
}

// TestLeaderSaysNoMoreThanItHolds: a leader that is cut off does not show itself as the leader when its time is over, though its own
// acceptor holds to the lease for longer.
func TestLeaderSaysNoMoreThanItHolds(t *testing.T) {
	play(t, 3, func(t *testing.T, s *site) {
		s.settle(3)
		s.setCut(0, true)
		l := s.nodes[0].lead()
		for range 1500 {
			_, leads := l.Active()
			if shown := l.View().Leader.Token.Ballot.Node == id(0); shown != leads {
				t.Fatalf("it leads: %v, and shows so: %v", leads, shown)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// TestStrangersAreNotHeard: who is not of the site gets no answer.
func TestStrangersAreNotHeard(t *testing.T) {
	play(t, 1, func(t *testing.T, s *site) {
		s.settle(1)
		a, b := net.Pipe()
		s.wg.Go(func() { s.nodes[0].handler()(id(99), b) })
		stranger := lease.Ballot{Counter: 9, Node: id(99), Incarnation: lease.Incarnation{Count: 1}}
		go func() { // nobody reads it
			_ = writeMessage(a, lease.Message{Kind: lease.Prepare, Ballot: stranger, Config: lease.Found(id(0)), Life: stranger.Incarnation})
		}()
		if m, err := readMessage(a); err == nil {
			t.Errorf("a stranger is told %+v", m)
		}
	})
}

// TestSteadyCost: what an hour of leading takes.
func TestSteadyCost(t *testing.T) {
	play(t, 5, func(t *testing.T, s *site) {
		s.settle(5)
		time.Sleep(10 * time.Second)
		sent, synced := s.count(func(m *member) int { return m.sent }), s.count(func(m *member) int { return m.syncs })
		time.Sleep(time.Hour)
		rounds := float64(time.Hour) / float64(lease.Defaults().Renew)
		messages := 2 * float64(s.count(func(m *member) int { return m.sent })-sent) / rounds / 5
		if synced = s.count(func(m *member) int { return m.syncs }) - synced; synced > 0 || messages > 4 {
			t.Errorf("%.2f messages a voter and renewal, %d writes", messages, synced)
		}
		t.Logf("%.2f messages a voter and renewal, %d writes", messages, synced)
	})
}

func FuzzReadMessage(f *testing.F) {
	var b bytes.Buffer
	if err := writeMessage(&b, lease.Message{Kind: lease.Prepare, Ballot: lease.Ballot{Counter: 1, Node: id(1)}, Config: lease.Found(id(0))}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMessage(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeMessage(&again, m); err != nil || !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("%x became %x, %v", data, again.Bytes(), err)
		}
	})
}
