package planner

import (
	"container/heap"
	"fmt"
	"reflect"
	"time"

	"selvage/internal/ident"
)

// reporter is the part of a test that the simulation needs.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// manner is how a peer treats requests.
type manner int

const (
	honest manner = iota
	stalls        // delivers nothing
	fails         // ends every exchange at once
	lies          // sends a bad chunk
	drops         // ends an exchange after a few chunks
	flaps         // comes and goes
	mends         // fails for half a minute, and is honest then
	manners
)

// host is a peer that fetches nothing.
type host struct {
	id     ident.NodeID
	local  bool
	mirror bool
	manner manner
	rate   float64 // bytes a second, to each node
	has    []bool
}

func (h *host) site() string {
	if h.local {
		return "site"
	}
	return "elsewhere"
}

// sim is a site of planners in virtual time, a discrete-event simulation. What one gets, its mates hear of.
type sim struct {
	t      reporter
	began  time.Time
	now    time.Time
	events events
	seq    int
	sizes  []int32
	nodes  []*simNode
	hosts  []*host
	liars  []ident.NodeID // mates that claim and bring nothing
	uplink int64          // bytes that crossed it
	mirror int64          // of these, those that mirrors sent
	again  int64          // bytes that came to who had them
	steps  int
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *sim) after(d time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{s.now.Add(d), s.seq, do})
}

// simNode is a node with a planner, and a twin that is fed alike.
type simNode struct {
	s       *sim
	id      ident.NodeID
	plan    *Planner
	twin    *Planner
	have    []bool
	asked   map[int]ident.NodeID // chunks that are on their way
	late    map[int]ident.NodeID // of those that were asked of two, the first
	lanes   map[ident.NodeID]*lane
	alarm   time.Time
	decided int
	started bool
	dead    bool
	mutes   bool // its mates hear nothing of what it gets
	cutOff  bool // it reaches no other site
	carried int  // chunks that it got over the uplink
	done    time.Time
}

// lane is an exchange with a peer: chunks come one after the other.
type lane struct {
	queue []int
	busy  bool
	gone  bool
	sent  int
}

func newSim(t reporter, sizes []int32) *sim {
	return &sim{t: t, began: time.Unix(1e9, 0), now: time.Unix(1e9, 0), sizes: sizes}
}

func nodeID(kind, n int) ident.NodeID { return ident.NodeID{byte(kind), byte(n), 7} }

func (s *sim) addHost(local bool, m manner, rate float64, has func(i int) bool) *host {
	h := &host{id: nodeID(2, len(s.hosts)), local: local, manner: m, rate: rate, has: make([]bool, len(s.sizes))}
	for i := range h.has {
		h.has[i] = has(i)
	}
	s.hosts = append(s.hosts, h)
	return h
}

// addMirror adds a mirror, which every node reaches.
func (s *sim) addMirror(m manner, rate float64) *host {
	h := s.addHost(false, m, rate, all)
	h.mirror = true
	return h
}

// addLiar adds a mate that brings nothing and says again and again that it is getting something: each time the next of what it may say.
func (s *sim) addLiar(says [][]Run) {
	id := nodeID(3, len(s.liars))
	s.liars = append(s.liars, id)
	var say func(k int)
	say = func(k int) {
		for _, n := range s.nodes {
			if n.started && !n.dead && !n.plan.Done() {
				n.each(func(p *Planner) { p.PeerTakes(id, says[k%len(says)], s.now) })
				n.decide()
			}
		}
		s.after(tellAgain, func() { say(k + 1) })
	}
	s.after(0, func() { say(0) })
}

func (s *sim) addNode() *simNode {
	n := &simNode{s: s, id: nodeID(1, len(s.nodes)), have: make([]bool, len(s.sizes)), asked: map[int]ident.NodeID{}, late: map[int]ident.NodeID{}, lanes: map[ident.NodeID]*lane{}}
	s.nodes = append(s.nodes, n)
	return n
}

// each feeds both planners of a node.
func (n *simNode) each(f func(p *Planner)) {
	f(n.plan)
	f(n.twin)
}

// startAll begins the fetches of all nodes, each knowing of the others.
func (s *sim) startAll() {
	for _, n := range s.nodes {
		s.after(0, func() { n.begin("site") })
	}
	for _, n := range s.nodes {
		s.after(0, n.decide)
	}
}

// start begins a node's fetch.
func (n *simNode) start(site string) {
	n.begin(site)
	n.decide()
}

func (n *simNode) begin(site string) {
	cfg := Config{Self: n.id, Site: site, Sizes: n.s.sizes, Began: n.s.now, Have: func(i int) bool { return n.have[i] }}
	n.plan, n.twin, n.started = New(cfg), New(cfg), true
	for _, h := range n.s.hosts {
		if h.mirror {
			n.each(func(p *Planner) { p.Mirror(h.id, n.s.now) })
		} else if h.local || !n.cutOff {
			n.meet(h)
		}
	}
	for _, id := range n.s.liars {
		n.each(func(p *Planner) {
			p.PeerUp(id, "site", n.s.now)
			p.PeerWants(id, true, n.s.now)
		})
	}
	for _, m := range n.s.nodes {
		if m != n && m.started && !m.dead {
			n.greet(m)
			m.greet(n)
			flying := m.plan.Taking()
			n.s.after(50*time.Millisecond, func() { m.claim(flying) })
		}
	}
}

func (n *simNode) meet(h *host) {
	n.each(func(p *Planner) { p.PeerUp(h.id, h.site(), n.s.now) })
	n.each(func(p *Planner) {
		whole := true
		for i, has := range h.has {
			if whole = whole && has; has {
				p.PeerHas(h.id, i, n.s.now)
			}
		}
		if whole {
			p.PeerHasAll(h.id, n.s.now)
		}
	})
	if h.manner == flaps {
		up := 7*time.Second + time.Duration(2*float64(n.plan.largest)/h.rate*float64(time.Second)) // a chunk comes through
		n.s.after(up, func() { n.lose(h) })
	}
}

func (n *simNode) lose(h *host) {
	if n.plan.Done() || n.dead {
		return
	}
	n.end(h.id)
	n.each(func(p *Planner) { p.PeerGone(h.id) })
	n.decide()
	n.s.after(3*time.Second, func() {
		if !n.plan.Done() && !n.dead {
			n.meet(h)
			n.decide()
		}
	})
}

// greet tells a node of a mate.
func (n *simNode) greet(m *simNode) {
	n.each(func(p *Planner) {
		p.PeerUp(m.id, "site", n.s.now)
		p.PeerWants(m.id, true, n.s.now)
		for i, has := range m.have {
			if has && !m.mutes {
				p.PeerHas(m.id, i, n.s.now)
			}
		}
	})
}

// end forgets what was asked of a peer.
func (n *simNode) end(id ident.NodeID) {
	if l := n.lanes[id]; l != nil {
		l.gone = true
		delete(n.lanes, id)
	}
	for i, from := range n.asked {
		if from == id {
			delete(n.asked, i)
			delete(n.late, i)
		}
	}
	for i, from := range n.late {
		if from == id {
			delete(n.late, i)
		}
	}
}

// die takes a node away.
func (n *simNode) die() {
	n.dead = true
	for _, m := range n.s.nodes {
		if m != n && m.started && !m.dead {
			m.end(n.id)
			m.each(func(p *Planner) { p.PeerGone(n.id) })
			m.decide()
		}
	}
}

// decide asks the planners what to do, and does it.
func (n *simNode) decide() {
	if n.dead || !n.started {
		return
	}
	e, again := n.plan.Next(n.s.now), n.twin.Next(n.s.now)
	if !reflect.DeepEqual(e, again) {
		n.s.t.Fatalf("two planners fed alike say %+v and %+v", e, again)
	}
	for _, id := range e.Cancel {
		n.end(id)
	}
	for _, r := range e.Requests {
		n.request(r)
	}
	if e.Taking {
		taking := n.plan.Taking()
		n.s.after(50*time.Millisecond, func() { n.claim(taking) })
	}
	if n.decided++; n.decided%(1+len(n.have)/20) == 0 {
		n.check()
		n.checkSets()
	}
	if e.Wake.IsZero() || n.plan.Done() {
		return
	}
	if !e.Wake.After(n.s.now) {
		n.s.t.Fatalf("to be woken at %v, and it is %v", e.Wake, n.s.now)
	}
	if n.alarm.IsZero() || !n.alarm.After(n.s.now) || e.Wake.Before(n.alarm) {
		n.alarm = e.Wake
		n.s.after(e.Wake.Sub(n.s.now), n.decide)
	}
}

// request takes in a request, which must be one for what the peer has and nobody was asked for.
func (n *simNode) request(r Request) {
	piece, next := -1, 0
	for _, run := range r.Runs {
		if run.First < next || run.Count < 1 {
			n.s.t.Fatalf("runs %v", r.Runs)
		}
		next = run.First + run.Count
		for i := run.First; i < next; i++ {
			if from, ok := n.asked[i]; ok && !n.hedges(i, from, r.Peer) || n.have[i] {
				n.s.t.Fatalf("chunk %d is asked for again (of %v, have %v)", i, from, n.have[i])
			}
			if piece >= 0 && n.plan.of[i] != piece {
				n.s.t.Fatalf("a request for two pieces")
			}
			q := n.plan.peers[r.Peer]
			if !q.holds(i) {
				n.s.t.Fatalf("chunk %d is asked of one that has it not", i)
			}
			if q.mirror {
				n.lastResort(i)
			}
			piece = n.plan.of[i]
			n.asked[i] = r.Peer
		}
	}
	l := n.lanes[r.Peer]
	if l == nil {
		l = &lane{}
		n.lanes[r.Peer] = l
	}
	for _, run := range r.Runs {
		for i := range run.Count {
			l.queue = append(l.queue, run.First+i)
		}
	}
	if !l.busy {
		l.busy = true
		n.serve(r.Peer, l)
	}
}

// hedges reports whether a chunk may be asked of one more: once, of a local peer, when nothing else is left to ask for.
func (n *simNode) hedges(i int, from, of ident.NodeID) bool {
	a, b := n.plan.peers[from], n.plan.peers[of]
	_, twice := n.late[i]
	n.late[i] = from
	return !twice && a != b && b.local && len(n.asked) == n.plan.left
}

// lastResort checks that a mirror may be asked for a chunk: nobody else offers it, or those who do have given nothing for long.
func (n *simNode) lastResort(i int) {
	if n.s.now.Sub(n.plan.fed) >= starveTime {
		return
	}
	for _, q := range n.plan.order {
		if !q.mirror && q.trusted() && q.holds(i) {
			n.s.t.Fatalf("chunk %d is asked of a mirror, and %v has it", i, q.id)
		}
	}
}

// serve has the peer treat the next chunk of a lane.
func (n *simNode) serve(id ident.NodeID, l *lane) {
	local, m, rate := true, honest, 20e6
	for _, h := range n.s.hosts {
		if h.id == id {
			local, m, rate = h.local, h.manner, h.rate
		}
	}
	for _, o := range n.s.nodes {
		if o.id == id && o.dead {
			m = stalls
		}
	}
	if m == mends && n.s.now.Sub(n.s.began) < 30*time.Second {
		m = fails
	}
	switch m {
	case stalls:
		return
	case fails:
		n.s.after(10*time.Millisecond, func() { n.failed(id, l) })
		return
	case drops:
		if l.sent++; l.sent > 5 {
			n.s.after(10*time.Millisecond, func() { n.failed(id, l) })
			return
		}
	}
	if len(l.queue) == 0 {
		l.busy = false
		return
	}
	i := l.queue[0]
	d := time.Millisecond + time.Duration(float64(n.s.sizes[i])/rate*float64(time.Second))
	for at := time.Second; at < d; at += time.Second {
		n.s.after(at, func() {
			if !l.gone {
				n.each(func(p *Planner) { p.Alive(id, n.s.now) })
			}
		})
	}
	n.s.after(d, func() { n.arrives(i, id, local, m, l) })
}

func (n *simNode) arrives(i int, id ident.NodeID, local bool, m manner, l *lane) {
	if l.gone || n.dead {
		return
	}
	l.queue = l.queue[1:]
	if !local {
		n.s.uplink += int64(n.s.sizes[i])
		n.carried++
	}
	if n.have[i] {
		n.s.again += int64(n.s.sizes[i])
	}
	if n.plan.peers[id].mirror {
		n.s.mirror += int64(n.s.sizes[i])
	}
	if m == lies {
		n.end(id)
		n.each(func(p *Planner) { p.Bad(id) })
		n.decide()
		return
	}
	n.have[i] = true
	delete(n.asked, i)
	n.each(func(p *Planner) { p.Got(i, id, n.s.now) })
	if n.plan.Done() && n.done.IsZero() {
		n.done = n.s.now
	}
	n.s.after(50*time.Millisecond, func() { n.announce(i) })
	n.serve(id, l)
	n.decide()
}

func (n *simNode) announce(i int) {
	if n.dead || n.mutes {
		return
	}
	for _, m := range n.s.nodes {
		if m != n && m.started && !m.dead {
			m.each(func(p *Planner) {
				p.PeerHas(n.id, i, n.s.now)
				if n.plan.Done() {
					p.PeerHasAll(n.id, n.s.now)
				}
			})
			m.decide()
		}
	}
}

// claim tells the mates what the node is getting.
func (n *simNode) claim(runs []Run) {
	if n.dead || n.mutes {
		return
	}
	for _, m := range n.s.nodes {
		if m != n && m.started && !m.dead {
			m.each(func(p *Planner) { p.PeerTakes(n.id, runs, n.s.now) })
			m.decide()
		}
	}
}

func (n *simNode) failed(id ident.NodeID, l *lane) {
	if l.gone || n.dead {
		return
	}
	n.end(id)
	n.each(func(p *Planner) { p.Failed(id, n.s.now) })
	n.decide()
}

// run goes on until every living node is done.
func (s *sim) run(limit time.Duration) time.Duration {
	s.t.Helper()
	for !s.done() {
		if len(s.events) == 0 {
			s.t.Fatalf("nothing will happen any more, and %s", s.state())
		}
		e := heap.Pop(&s.events).(event)
		if s.now = e.at; s.now.Sub(s.began) > limit {
			s.t.Fatalf("not done after %v: %s", limit, s.state())
		}
		e.do()
		if s.steps++; s.steps > 5e6 {
			s.t.Fatalf("too many steps: %s", s.state())
		}
	}
	return s.now.Sub(s.began)
}

func (s *sim) done() bool {
	for _, n := range s.nodes {
		if !n.dead && (!n.started || !n.plan.Done()) {
			return false
		}
	}
	return true
}

func (s *sim) state() string {
	out := ""
	for _, n := range s.nodes {
		if n.started {
			out += fmt.Sprintf("node %d lacks %d (asked %d, dead %v); ", n.id[1], n.plan.left, len(n.asked), n.dead)
		}
	}
	return out
}

// check compares the planner's counts with what they count.
func (n *simNode) check() {
	p, t := n.plan, n.s.t
	left, claims := 0, 0
	flight, hedged, bytes := map[*peer]int{}, map[*peer]int{}, map[*peer]int64{}
	var wholes offers
	for at := range p.pieces {
		pc := &p.pieces[at]
		missing, idle := 0, 0
		partly := offers{}
		for i := pc.first; i < pc.first+pc.count; i++ {
			c := &p.chunks[i]
			if c.have != n.have[i] || c.from != nil && c.have {
				t.Fatalf("chunk %d: have %v from %v", i, c.have, c.from)
			}
			if from, ok := n.asked[i]; ok != (c.from != nil) || ok && from != c.from.id {
				t.Fatalf("chunk %d was asked for, or not, and the planner thinks otherwise", i)
			}
			if c.have {
				continue
			}
			missing++
			if c.late != nil {
				hedged[c.late]++
			}
			if c.from == nil {
				idle++
			} else {
				flight[c.from]++
				bytes[c.from] += int64(p.cfg.Sizes[i])
			}
		}
		for _, q := range p.order {
			if q.trusted() && !q.all && p.useful(q, pc) {
				partly[q.kind()]++
			}
		}
		if missing != pc.missing || idle != pc.idle || partly != pc.partly {
			t.Fatalf("piece %d: missing %d idle %d partly %v, counted %d, %d, %v", at, missing, idle, partly, pc.missing, pc.idle, pc.partly)
		}
		left += missing
		claims += pc.claimed
	}
	for _, q := range p.order {
		if q.trusted() && q.all && !q.mirror {
			wholes[q.kind()]++
		}
		if q.hedged != hedged[q] || q.flight != flight[q] || q.bytes != bytes[q] || q.bytes > localWindow+maxPiece || !q.local && q.bytes > uplinkWindow+maxPiece {
			t.Fatalf("peer %v: flight %d of %d bytes, hedged %d; counted %d of %d, %d", q.id, flight[q], bytes[q], hedged[q], q.flight, q.bytes, q.hedged)
		}
	}
	if left != p.left || claims != p.claims || wholes != p.wholes {
		t.Fatalf("%d left, %d claimed, wholes %v; counted %d, %d, %v", left, claims, wholes, p.left, p.claims, p.wholes)
	}
}

// useful is the dumb form of peer.idle: the peer has a chunk of the piece that nobody was asked for.
func (p *Planner) useful(q *peer, pc *piece) bool {
	for i := pc.first; i < pc.first+pc.count; i++ {
		if c := p.chunks[i]; !c.have && c.from == nil && q.has.has(i) {
			return true
		}
	}
	return false
}
