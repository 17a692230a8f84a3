package locks

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/internal/ident"
	"selvage/ledger/lease"
)

// model is a site in true time: leaders that follow each other as package lease has it, at the last moment that it allows, and clients of one
// lock. Messages are lost, late and doubled; clocks run at the bound.
type model struct {
	t        *rapid.T
	set      lease.Settings
	now      time.Duration // true
	leaders  []*modelLeader
	clients  []*modelClient
	asks     []modelAsk
	answers  []modelAnswer
	highest  uint64 // the token of the last that began to work
	grants   int
	released bool // the last leader has given its lease up
}

type modelClock struct {
	rate  int64 // millionths
	start time.Duration
}

func (c modelClock) at(now time.Duration) time.Duration {
	return c.start + now/1_000_000*time.Duration(c.rate) + now%1_000_000*time.Duration(c.rate)/1_000_000
}

type modelLeader struct {
	modelClock
	table    *Table
	deadline time.Duration
	dead     bool
	stopping bool
	fence    uint64
}

type modelClient struct {
	modelClock
	node  ident.NodeID
	claim Claim
	hold  hold
	works bool // until its hold is over
	gone  bool // it has crashed
}

type modelAsk struct {
	client, leader int
	sent           time.Duration // by the client's clock
	ask            Ask
}

type modelAnswer struct {
	client int
	claim  Claim
	sent   time.Duration
	answer Answer
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, set: lease.Defaults()}
	for i := range rapid.IntRange(2, 4).Draw(t, "clients") {
		m.clients = append(m.clients, &modelClient{modelClock: m.clock(), node: ident.NodeID{1, byte(i)}, claim: Claim{byte(i), 1}})
	}
	m.appoint()
	return m
}

func (m *model) clock() modelClock {
	r := int64(m.set.DriftPPM)
	return modelClock{rapid.SampledFrom([]int64{1_000_000 - r, 1_000_000, 1_000_000 + r}).Draw(m.t, "rate"), time.Duration(rapid.IntRange(1, 1_000_000_000).Draw(m.t, "start"))}
}

// appoint has the next node lead, if the last one does not any more: by its own clock, to the nanosecond.
func (m *model) appoint() {
	if n := len(m.leaders); n > 0 {
		if last := m.leaders[n-1]; !m.released && last.at(m.now) < last.deadline {
			return
		}
	}
	l := &modelLeader{modelClock: m.clock(), table: NewTable(m.set), fence: uint64(len(m.leaders)+1) << 8}
	l.deadline = l.at(m.now) + m.set.Authority
	m.leaders, m.released = append(m.leaders, l), false
}

func (m *model) last() *modelLeader { return m.leaders[len(m.leaders)-1] }

// renew prolongs the last leader's lease.
func (m *model) renew() {
	if l := m.last(); !l.dead && !m.released && l.at(m.now) < l.deadline {
		l.deadline = l.at(m.now) + m.set.Authority
	}
}

// yield gives the lease up, if nothing is granted.
func (m *model) yield() {
	l := m.last()
	l.stopping = !l.stopping
	if _, any := l.table.Latest(l.at(m.now)); l.stopping && !any {
		m.released, l.dead = true, true
	}
}

// put has a client ask any leader, the last one most often.
func (m *model) put(w Want) {
	i := rapid.IntRange(0, len(m.clients)-1).Draw(m.t, "client")
	c := m.clients[i]
	if c.gone || (w == Take) != (c.hold.token == 0) {
		return
	}
	if w == Release {
		c.works = false
		defer c.renew()
	}
	leader := len(m.leaders) - 1
	if rapid.IntRange(0, 9).Draw(m.t, "whom") == 0 {
		leader = rapid.IntRange(0, leader).Draw(m.t, "leader")
	}
	m.asks = append(m.asks, modelAsk{i, leader, c.at(m.now), Ask{w, "lock", c.claim}})
	if rapid.Bool().Draw(m.t, "prompt") {
		m.serve(len(m.asks) - 1)
		m.hear(len(m.answers) - 1)
	}
}

// any is the place of one of so many; -1 of none.
func (m *model) any(n int) int {
	if n == 0 {
		return -1
	}
	return rapid.IntRange(0, n-1).Draw(m.t, "which")
}

// renew gives the client another claim.
func (c *modelClient) renew() {
	c.claim[1]++
	c.claim[2] += c.claim[1] / 255
	c.hold = hold{}
}

// serve has a leader answer a question, which may come again.
func (m *model) serve(i int) {
	if i < 0 {
		return
	}
	q := m.asks[i]
	if rapid.Bool().Draw(m.t, "once") {
		m.asks = append(m.asks[:i], m.asks[i+1:]...)
	}
	l := m.leaders[q.leader]
	now := l.at(m.now)
	if l.dead || now >= l.deadline {
		return
	}
	term := Term{Fence: l.fence, Until: l.deadline}
	if l.stopping {
		term.Until = 0
	}
	a := l.table.Ask(now, term, m.clients[q.client].node, q.ask)
	m.answers = append(m.answers, modelAnswer{q.client, q.ask.Claim, q.sent, a})
}

// hear has a client take an answer in, which may come again.
func (m *model) hear(i int) {
	if i < 0 {
		return
	}
	a := m.answers[i]
	if rapid.Bool().Draw(m.t, "once") {
		m.answers = append(m.answers[:i], m.answers[i+1:]...)
	}
	c := m.clients[a.client]
	if c.gone || a.claim != c.claim {
		return
	}
	before := c.hold
	c.hold = c.hold.took(a.sent, c.at(m.now), a.answer)
	if before.token == 0 && c.hold.token != 0 {
		m.begins(c)
	}
	if before.over && !c.hold.over || before.token != 0 && c.at(m.now) >= before.until && c.hold.until > before.until {
		m.t.Fatalf("what was over goes on: %+v became %+v", before, c.hold)
	}
}

// granule is what two readings of a clock in whole nanoseconds can be off, both of the client's and of the leader's.
const granule = 2

// begins is the one moment at which two can come to hold the lock.
func (m *model) begins(c *modelClient) {
	for i, o := range m.clients {
		if o != c && o.works && o.at(m.now) < o.hold.until-granule {
			m.t.Fatalf("at %d it begins with %d while client %d holds it with %d for %d more", m.now, c.hold.token, i, o.hold.token, o.hold.until-o.at(m.now))
		}
	}
	if c.hold.token <= m.highest {
		m.t.Fatalf("it begins with %d after %d", c.hold.token, m.highest)
	}
	c.works, m.highest = true, c.hold.token
	m.grants++
}

// crash has a client ask no more; its work goes on for as long as it was granted. Another one comes in its place.
func (m *model) crash() {
	i := rapid.IntRange(0, len(m.clients)-1).Draw(m.t, "crashes")
	c := *m.clients[i]
	if !c.works || len(m.clients) > 12 {
		return
	}
	next := c
	next.works = false
	next.renew()
	m.clients[i].gone = true
	m.clients = append(m.clients, &next)
}

// wait lets time pass, often to the moment at which something ends.
func (m *model) wait() {
	d := time.Duration(rapid.Int64Range(1, int64(3*time.Second)).Draw(m.t, "wait"))
	if rapid.Bool().Draw(m.t, "to the end") {
		l := m.last()
		d = max(1, (l.deadline-l.at(m.now))*1_000_000/time.Duration(l.rate)+time.Duration(rapid.IntRange(-1, 1).Draw(m.t, "tick")))
	}
	m.now += d
}

// TestNeverTwoHolders: whatever becomes of messages, clients and leaders, no two clients hold the lock at one moment of true time, and
// who holds it later has a higher token.
func TestNeverTwoHolders(t *testing.T) {
	grants := 0
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range 300 {
			switch rapid.IntRange(0, 16).Draw(t, "step") {
			case 0, 1, 2:
				m.put(Take)
			case 3, 4:
				m.put(Keep)
			case 5:
				m.put(Release)
			case 6, 7, 8:
				m.serve(m.any(len(m.asks)))
			case 9, 10, 11:
				m.hear(m.any(len(m.answers)))
			case 12:
				m.appoint()
			case 13:
				m.renew()
			case 14:
				m.crash()
			case 15:
				m.last().dead = m.last().dead || rapid.IntRange(0, 3).Draw(t, "dies") == 0
				if rapid.IntRange(0, 3).Draw(t, "yields") == 0 {
					m.yield()
				}
			default:
				m.wait()
			}
		}
		grants += m.grants
	})
	t.Logf("%d grants", grants)
	if grants < 100 {
		t.Errorf("%d grants say little", grants)
	}
}
