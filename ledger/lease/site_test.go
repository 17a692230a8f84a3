package lease

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// site is a site in virtual true time: machines with clocks of their own, on a network with loss, delay and cuts.
// Every message goes through its encoding, and every record through a disk.
type site struct {
	t     rapid.TB
	rng   *rand.Rand
	set   Settings
	now   time.Duration
	nodes []*siteNode
	queue queue
	seq   int

	loss     float64
	delay    time.Duration // at most, one way
	cut      map[[2]int]bool
	rollback bool // some disk was put back: tokens may go back with it
	highest  Token
	sent     int
}

type siteNode struct {
	m      *Machine
	ppm    int64 // how far the clock's rate is off
	disk   []byte
	down   bool
	until  time.Duration // suspended until then
	lease  Lease
	fsyncs int
	life   int
	alarms []Alarm
}

type timed struct {
	at  time.Duration
	seq int
	do  func()
}

type queue []timed

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(timed)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// newSite has nodes of which the first vote, with clocks at the bound or within it.
func newSite(t rapid.TB, seed uint64, nodes, first int) *site {
	s := &site{t: t, rng: rand.New(rand.NewPCG(seed, 1)), set: Defaults(), delay: 5 * time.Millisecond, cut: map[[2]int]bool{}}
	var vs []int
	for i := range first {
		vs = append(vs, i)
	}
	bound := int64(s.set.DriftPPM)
	for i := range nodes {
		rec := Record{}
		if i < first {
			rec.Config = Config{Epoch: 1, Voters: voters(vs...)}
		}
		disk, err := rec.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s.nodes = append(s.nodes, &siteNode{disk: disk, ppm: []int64{-bound, bound, 0, -bound, bound}[(uint64(i)+seed%5)%5]})
		s.start(i)
	}
	return s
}

func (s *site) clock(i int) time.Duration {
	return s.now + time.Duration(int64(s.now)/1000*s.nodes[i].ppm/1000)
}

// at is the true time at which a node's clock shows d.
func (s *site) at(i int, d time.Duration) time.Duration {
	return time.Duration(int64(d)/1000*1_000_000/(1_000_000+s.nodes[i].ppm))*1000 + 2000
}

func (s *site) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, timed{s.now + max(d, 0), s.seq, do})
}

func (s *site) start(i int) {
	n := s.nodes[i]
	rec, err := DecodeRecord(n.disk)
	if err != nil {
		s.t.Fatal(err)
	}
	n.life++
	n.down = false
	m, fx := Start(nodeID(i), s.set, rec, s.rng.Uint64(), s.clock(i))
	n.m = m
	s.do(i, fx)
}

func (s *site) crash(i int) {
	n := s.nodes[i]
	n.down, n.lease = true, Lease{}
	n.life++
}

// do carries effects out, as a shell does.
func (s *site) do(i int, fx Effects) {
	n := s.nodes[i]
	if fx.Record != nil {
		disk, err := fx.Record.Encode()
		if err != nil {
			s.t.Fatal(err)
		}
		n.disk = disk
		n.fsyncs++
	}
	n.lease = fx.Lease
	for _, e := range fx.Send {
		s.post(i, e)
	}
	n.alarms = append(n.alarms, fx.Alarms...)
	s.judge()
	if next, ok := n.m.Next(); ok {
		life, m := n.life, n.m
		s.after(max(s.at(i, next)-s.now, time.Microsecond), func() {
			if again, ok := m.Next(); n.life == life && !n.down && ok && again <= next {
				s.awake(i, life, func() { s.do(i, m.Tick(s.clock(i))) })
			}
		})
	}
}

// awake does something now, or when the node wakes up.
func (s *site) awake(i, life int, do func()) {
	n := s.nodes[i]
	if n.until > s.now {
		s.after(n.until-s.now, func() {
			if n.life == life && !n.down {
				do()
			}
		})
		return
	}
	do()
}

func (s *site) post(from int, e Envelope) {
	data, err := e.Message.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	s.sent++
	to := int(e.To[0]) - 1
	copies := 1
	if s.loss > 0 && s.rng.Float64() < s.loss/4 {
		copies = 2
	}
	for range copies {
		if s.cut[[2]int{from, to}] || s.rng.Float64() < s.loss {
			continue
		}
		s.after(time.Duration(s.rng.Int64N(int64(s.delay)))+time.Microsecond, func() {
			n := s.nodes[to]
			if n.down {
				return
			}
			msg, err := DecodeMessage(data)
			if err != nil {
				s.t.Fatal(err)
			}
			s.awake(to, n.life, func() { s.do(to, n.m.Receive(s.clock(to), nodeID(from), msg)) })
		})
	}
}

// judge wants one leader at most, in true time, and tokens that grow.
func (s *site) judge() {
	active := -1
	for i, n := range s.nodes {
		if n.down || !n.lease.Active(s.clock(i)) {
			continue
		}
		if active >= 0 {
			s.t.Fatalf("%v: %d and %d lead at once", s.now, active, i)
		}
		active = i
		if n.lease.Token.Compare(s.highest) < 0 && !s.rollback {
			s.t.Fatalf("%v: %d leads with a token below one before", s.now, i)
		}
		s.highest = n.lease.Token
	}
}

func (s *site) leader() int {
	for i, n := range s.nodes {
		if !n.down && n.lease.Active(s.clock(i)) {
			return i
		}
	}
	return -1
}

// run lets time go on until a condition holds, or for d, and reports how long it took.
func (s *site) run(d time.Duration, until func() bool) (time.Duration, bool) {
	begin := s.now
	for len(s.queue) > 0 && s.queue[0].at <= begin+d {
		next := heap.Pop(&s.queue).(timed)
		s.now = next.at
		next.do()
		if until != nil && until() {
			return s.now - begin, true
		}
	}
	s.now = begin + d
	return d, false
}

func (s *site) elect() int {
	s.t.Helper()
	if took, ok := s.run(time.Minute, func() bool { return s.leader() >= 0 }); !ok {
		s.t.Fatalf("no leader in %v", took)
	}
	return s.leader()
}

func TestFailOver(t *testing.T) {
	var worst time.Duration
	for seed := range uint64(200) {
		size := 3 + 2*int(seed%2)
		s := newSite(t, seed, size, size)
		old := s.elect()
		s.run(20*time.Second+time.Duration(s.rng.Int64N(int64(5*time.Second))), nil)
		s.crash(old)
		took, ok := s.run(time.Minute, func() bool { return s.leader() >= 0 })
		if limit := s.set.Authority + 3*time.Second; !ok || took > limit {
			t.Errorf("seed %d, %d voters: %v without a leader, at most %v", seed, size, took, limit)
		}
		worst = max(worst, took)
	}
	fmt.Println("fail-over, the slowest of 200:", worst.Round(time.Millisecond))
}

func TestYield(t *testing.T) {
	var worst time.Duration
	for seed := range uint64(200) {
		size := 3 + 2*int(seed%2)
		s := newSite(t, seed, size, size)
		old := s.elect()
		s.run(20*time.Second, nil)
		s.do(old, s.nodes[old].m.Yield(s.clock(old)))
		took, ok := s.run(time.Minute, func() bool { return s.leader() >= 0 })
		if !ok || took >= time.Second || s.leader() == old {
			t.Errorf("seed %d, %d voters: %d after %d led, %v after", seed, size, s.leader(), old, took)
		}
		worst = max(worst, took)
	}
	fmt.Println("graceful yield, the slowest of 200:", worst.Round(time.Millisecond))
}

// TestRenewalsSurviveLoss: a holder keeps its lease for an hour while 30% of the messages get lost.
func TestRenewalsSurviveLoss(t *testing.T) {
	for seed := range uint64(10) {
		size := 3 + 2*int(seed%2)
		s := newSite(t, seed, size, size)
		old := s.elect()
		s.run(5*time.Second, nil)
		s.loss, s.delay = 0.3, 200*time.Millisecond
		if took, lost := s.run(time.Hour, func() bool { return s.leader() != old }); lost {
			t.Errorf("seed %d, %d voters: %d lost the lease after %v", seed, size, old, took)
		}
	}
}

// TestSteadyCost: two messages for each voter but the holder in a renewal, and no write at all.
func TestSteadyCost(t *testing.T) {
	for _, size := range []int{1, 3, 5} {
		s := newSite(t, 1, size, size)
		s.elect()
		s.run(20*time.Second, nil)
		sent, fsyncs := s.sent, s.fsyncs()
		const renewals = 100
		s.run(renewals*s.set.Renew, nil)
		perVoter := float64(s.sent-sent) / renewals / float64(size)
		if perVoter > 2 || s.fsyncs() != fsyncs || size > 1 && s.sent == sent {
			t.Errorf("%d voters: %.2f messages for each in a renewal, %d fsyncs in all", size, perVoter, s.fsyncs()-fsyncs)
		}
		fmt.Printf("steady, %d voters: %.2f messages and %d fsyncs for each in a renewal\n", size, perVoter, s.fsyncs()-fsyncs)
	}
}

func (s *site) fsyncs() int {
	n := 0
	for _, node := range s.nodes {
		n += node.fsyncs
	}
	return n
}
