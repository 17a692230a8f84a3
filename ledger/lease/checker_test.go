package lease

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"time"

	"selvage/internal/ident"
)

// model is a small world that the checker explores to its end: which nodes there are, how their clocks run, and how
// much of each kind of trouble there may be. Messages may get lost, come twice and in any order, without a bound.
type model struct {
	name      string
	nodes     int
	voters    int             // the first of them vote from the start
	proposers []int           // whose timers fire
	rates     []time.Duration // what a clock shows more after each tick of the true time
	ticks     int             // of the true time
	counter   uint64          // no ballot above this
	rounds    uint64          // no round above this
	crashes   int             // restarts, of any nodes
	crashable []int           // nil: all
	rollback  bool            // a restart may also find the disk as it was at first
	yields    int
	changes   [][]int // in this order, by any holder: who the voters shall be
	quiet     bool    // refusals get lost, all of them: for worlds that are large without
}

// world is a state of a model. What is large in it is interned by the checker, and never changes.
type world struct {
	time    int
	nodes   []int32 // machines
	disks   []int32 // records
	net     []int32 // messages, ascending: once sent, one may arrive at any time, any number of times
	crashes int
	yields  int
	changes int
	highest int32 // the highest token under which a node was active
}

// event is what happens to a world.
type event struct {
	op   op
	node int
	arg  int32 // a message, a number of a change
}

type op uint8

const (
	opStart op = iota
	opTime
	opTick
	opReceive
	opCrash
	opRollback
	opYield
	opChange
)

// checker explores a model, breadth first.
type checker struct {
	model
	ids      []ident.NodeID
	machines interned[Machine]
	records  interned[Record]
	messages interned[posted]
	tokens   interned[Token]
	memo     map[stepKey]stepped
	seen     map[uint64][]string // by everything but the messages: the sets of messages that no other set contains
	states   int
	plain    bool // no reduction: worlds with other messages are other worlds, for a check of the reduction itself
	seed     maphash.Seed
	trail    []footstep
	limit    int // states, after which it gives up
}

// posted is a message on its way.
type posted struct {
	from, to int
	msg      Message
}

type footstep struct {
	before int32
	event  event
}

type stepKey struct {
	event event
	state int32 // machine, or record for a start
	now   time.Duration
	salt  uint64
}

// stepped is what a step of a machine came to.
type stepped struct {
	machine int32
	record  int32 // -1: none
	sends   []int32
	broken  string
	beyond  bool // the bounds of the model
}

// interned numbers values that are equal.
type interned[T any] struct {
	byKey map[string]int32
	all   []T
}

func (in *interned[T]) put(v T) int32 {
	key := string(dump(nil, reflect.ValueOf(&v).Elem()))
	if i, ok := in.byKey[key]; ok {
		return i
	}
	if in.byKey == nil {
		in.byKey = map[string]int32{}
	}
	i := int32(len(in.all))
	in.byKey[key] = i
	in.all = append(in.all, v)
	return i
}

// dump writes every field of a value, so that values with one dump are equal. A kind that it does not know panics: a
// field that it left out would make the search unsound.
func dump(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			b = dump(b, v.Field(i))
		}
	case reflect.Array, reflect.Slice:
		b = append(b, byte(v.Len()))
		for i := range v.Len() {
			b = dump(b, v.Index(i))
		}
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		b = dump(append(b, 1), v.Elem())
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		b = binary.AppendUvarint(b, v.Uint())
	case reflect.Int, reflect.Int64:
		b = binary.AppendVarint(b, v.Int())
	default:
		panic("dump: " + v.Kind().String())
	}
	return b
}

// tight are settings whose bound is met exactly, so that what is off by the least is found: a slow clock shows 9 in a
// tick, a fast one 11, a lease lasts 18 for its holder and 22 for who granted it: two ticks at either. All that only
// paces a node is as short as can be.
func tight() Settings {
	return Settings{Authority: 18, DriftPPM: 100_000, Renew: 1, Resend: 1, Patience: 1}
}

const slow, exact, fast = 9, 10, 11

// nodeID names the nodes of tests, in the order of their numbers.
func nodeID(i int) ident.NodeID { return ident.NodeID{0: byte(i + 1)} }

func voters(of ...int) []Voter {
	var vs []Voter
	for _, i := range of {
		vs = append(vs, Voter{Node: nodeID(i)})
	}
	return vs
}

func newChecker(m model, limit int) *checker {
	c := &checker{model: m, memo: map[stepKey]stepped{}, seen: map[uint64][]string{}, seed: maphash.MakeSeed(), limit: limit}
	for i := range m.nodes {
		c.ids = append(c.ids, nodeID(i))
	}
	c.tokens.put(Token{})
	return c
}

// initial is the world before anything happened: all have started long ago and are mute no more.
func (c *checker) initial() world {
	var w world
	var first []int
	for i := range c.voters {
		first = append(first, i)
	}
	for i, id := range c.ids {
		rec := Record{Config: Config{Epoch: 1, Voters: voters(first...)}}
		if i >= c.voters {
			rec.Config = Config{}
		}
		m, fx := Start(id, tight(), rec, uint64(0), 0)
		m.mute = 0
		w.disks = append(w.disks, c.records.put(*fx.Record))
		w.nodes = append(w.nodes, c.keep(m, 0))
	}
	return w
}

// keep interns a machine as it is at now. Moments that have passed are all the same to it.
func (c *checker) keep(m *Machine, now time.Duration) int32 {
	k := *m
	k.last, k.fx = 0, Effects{}
	for _, t := range []*time.Duration{&k.mute, &k.deferred, &k.retry, &k.granted.expiry, &k.farewell.at} {
		if *t <= now {
			*t = 0
		}
	}
	if !k.held.Active(now) {
		k.held = Lease{}
	}
	if k.farewell.left == 0 {
		k.farewell = farewell{}
	}
	return c.machines.put(k)
}

// verdict is what a search came to.
type verdict struct {
	states int
	whole  bool   // the model was explored to its end
	broken string // what broke; "" for nothing
	trace  []string
}

// run searches until something breaks, all is seen, or there are too many states.
func (c *checker) run() verdict {
	w := c.initial()
	c.trail = []footstep{{-1, event{}}}
	c.fresh(w)
	layer, at := []world{w}, []int32{0}
	for len(layer) > 0 {
		var next []world
		var nextAt []int32
		for i, w := range layer {
			if !slices.Contains(c.seen[c.hash(w)], bitset(w.net)) {
				continue // another can do all that it can
			}
			for _, e := range c.events(w) {
				v, changed, broken := c.apply(w, e)
				if broken != "" {
					c.trail = append(c.trail, footstep{at[i], e})
					return verdict{c.states, false, broken, c.story(int32(len(c.trail) - 1))}
				}
				if !changed {
					continue
				}
				if !c.plain {
					v = c.close(v)
				}
				if !c.fresh(v) {
					continue
				}
				if c.states > c.limit {
					return verdict{states: c.states}
				}
				c.trail = append(c.trail, footstep{at[i], e})
				next, nextAt = append(next, v), append(nextAt, int32(len(c.trail)-1))
			}
			layer[i] = world{}
		}
		layer, at = next, nextAt
	}
	return verdict{states: c.states, whole: true}
}

func (c *checker) hash(w world) uint64 {
	b := make([]byte, 0, 128)
	b = append(b, byte(w.time), byte(w.crashes), byte(w.yields), byte(w.changes))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.highest))
	for _, list := range [][]int32{w.nodes, w.disks} {
		for _, i := range list {
			b = binary.LittleEndian.AppendUint32(b, uint32(i))
		}
	}
	return maphash.Bytes(c.seed, b)
}

// fresh reports whether a world can do what none that was seen can, and notes it. Messages stay for ever and none of
// them keeps anything from happening, so of two worlds that differ in messages only, the one with more of them can do
// all that the other can.
func (c *checker) fresh(w world) bool {
	h, net := c.hash(w), bitset(w.net)
	if c.plain {
		if slices.Contains(c.seen[h], net) {
			return false
		}
		c.seen[h] = append(c.seen[h], net)
		c.states++
		return true
	}
	kept := c.seen[h][:0:0]
	for _, other := range c.seen[h] {
		if within(net, other) {
			return false
		}
		if !within(other, net) {
			kept = append(kept, other)
		}
	}
	c.seen[h] = append(kept, net)
	c.states++
	return true
}

// bitset writes a set of numbers down, a bit each.
func bitset(set []int32) string {
	if len(set) == 0 {
		return ""
	}
	b := make([]byte, set[len(set)-1]/8+1)
	for _, i := range set {
		b[i/8] |= 1 << (i % 8)
	}
	return string(b)
}

// within reports whether a set is part of another.
func within(a, b string) bool {
	if len(a) > len(b) {
		return false
	}
	for i := range len(a) {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

// close adds the messages that nodes can be had to send without any change in themselves: the world that has them can
// do all that the one without can.
func (c *checker) close(w world) world {
	for i := 0; i < len(w.net); i++ {
		e := event{opReceive, c.messages.all[w.net[i]].to, w.net[i]}
		s := c.step(w, e)
		if s.beyond || s.broken != "" || s.machine != w.nodes[e.node] || s.record >= 0 {
			continue
		}
		for _, sent := range s.sends {
			if at, ok := slices.BinarySearch(w.net, sent); !ok {
				w.net = slices.Insert(slices.Clone(w.net), at, sent)
				i = -1
			}
		}
	}
	return w
}

// now is what a node's clock shows in a world.
func (c *checker) now(w world, node int) time.Duration { return time.Duration(w.time) * c.rates[node] }

// events are all that may happen in a world.
func (c *checker) events(w world) []event {
	var all []event
	for _, i := range w.net {
		all = append(all, event{opReceive, c.messages.all[i].to, i})
	}
	for _, n := range c.proposers {
		all = append(all, event{op: opTick, node: n})
		if w.yields < c.yields {
			all = append(all, event{op: opYield, node: n})
		}
		if w.changes < len(c.changes) {
			all = append(all, event{opChange, n, int32(w.changes)})
		}
	}
	for n := range w.nodes {
		if w.crashes < c.crashes && (c.crashable == nil || slices.Contains(c.crashable, n)) {
			all = append(all, event{op: opCrash, node: n})
			if c.rollback {
				all = append(all, event{op: opRollback, node: n})
			}
		}
	}
	if w.time < c.ticks {
		all = append(all, event{op: opTime})
	}
	return all
}

// apply makes an event happen, and reports whether that changed the world and what broke.
func (c *checker) apply(w world, e event) (world, bool, string) {
	v := w
	v.nodes = slices.Clone(w.nodes)
	if e.op == opTime {
		v.time++
		for i, m := range v.nodes {
			v.nodes[i] = c.keep(&c.machines.all[m], c.now(v, i))
		}
		return c.judge(v)
	}
	s := c.step(w, e)
	if s.broken != "" {
		return v, true, s.broken
	}
	if s.beyond {
		return v, false, ""
	}
	switch e.op {
	case opCrash, opRollback:
		v.crashes++
	case opYield:
		v.yields++
	case opChange:
		v.changes++
	}
	changed := s.machine != v.nodes[e.node]
	v.nodes[e.node] = s.machine
	if s.record >= 0 && s.record != w.disks[e.node] {
		v.disks = slices.Clone(w.disks)
		v.disks[e.node] = s.record
		changed = true
	}
	for _, i := range s.sends {
		if at, ok := slices.BinarySearch(v.net, i); !ok {
			v.net = slices.Insert(slices.Clone(v.net), at, i)
			changed = true
		}
	}
	if !changed {
		return v, false, ""
	}
	return c.judge(v)
}

// step has one machine take one step, or takes from memory what that comes to.
func (c *checker) step(w world, e event) stepped {
	k := stepKey{event: e, state: w.nodes[e.node], now: c.now(w, e.node)}
	switch e.op {
	case opCrash:
		k.state, k.salt = w.disks[e.node], uint64(w.crashes+1)
	case opRollback:
		k.state, k.salt = c.records.put(c.first(e.node)), uint64(w.crashes+1)
	}
	if s, ok := c.memo[k]; ok {
		return s
	}
	m, fx, ok := c.take(k)
	s := stepped{record: -1, beyond: !ok || m.counter > c.counter || m.try.round > c.rounds}
	if !s.beyond {
		s = c.settle(e.node, m, fx, k.now)
	}
	c.memo[k] = s
	return s
}

// first is a node's disk as it was at first.
func (c *checker) first(node int) Record {
	if node >= c.voters {
		return Record{Incarnation: Incarnation{Count: 1}}
	}
	var first []int
	for i := range c.voters {
		first = append(first, i)
	}
	return Record{Incarnation: Incarnation{Count: 1}, Config: Config{Epoch: 1, Voters: voters(first...)}}
}

func (c *checker) take(k stepKey) (*Machine, Effects, bool) {
	id := c.ids[k.event.node]
	if k.event.op == opCrash || k.event.op == opRollback {
		m, fx := Start(id, tight(), c.records.all[k.state], k.salt, k.now)
		return m, fx, true
	}
	m := c.machines.all[k.state]
	switch k.event.op {
	case opTick:
		return &m, m.Tick(k.now), true
	case opReceive:
		p := c.messages.all[k.event.arg]
		return &m, m.Receive(k.now, c.ids[p.from], p.msg), true
	case opYield:
		if !m.held.Active(k.now) {
			return nil, Effects{}, false
		}
		return &m, m.Yield(k.now), true
	}
	fx, err := m.Change(k.now, voters(c.changes[k.event.arg]...))
	return &m, fx, err == nil
}

// settle interns what a step came to. What is only a hint travels as nothing: safety must not rest on it.
func (c *checker) settle(node int, m *Machine, fx Effects, now time.Duration) stepped {
	s := stepped{record: -1, machine: c.keep(m, now)}
	if fx.Record != nil {
		s.record = c.records.put(*fx.Record)
	}
	for _, e := range fx.Send {
		e.Message.Clock, e.Message.Remaining = 0, 0
		if c.quiet && e.Message.Kind == Refuse {
			continue
		}
		to := slices.Index(c.ids, e.To)
		s.sends = append(s.sends, c.messages.put(posted{node, to, e.Message}))
	}
	for _, a := range fx.Alarms {
		if a.Kind != DiskWentBack || !c.rollback {
			s.broken = "alarm: " + a.Kind.String()
		}
	}
	return s
}

// judge looks for what must never be, in true time.
func (c *checker) judge(w world) (world, bool, string) {
	active := -1
	for i, id := range w.nodes {
		m := &c.machines.all[id]
		if m.held.Active(c.now(w, i)) {
			if active >= 0 {
				return w, true, fmt.Sprintf("%d and %d lead at once", active, i)
			}
			active = i
			if t := m.held.Token; t.Compare(c.tokens.all[w.highest]) > 0 {
				w.highest = c.tokens.put(t)
			} else if t != c.tokens.all[w.highest] && !c.rollback {
				return w, true, fmt.Sprintf("%d leads with a token below one before", i)
			}
		}
		for _, other := range w.nodes[:i] {
			a, b := m.rec.Config, c.machines.all[other].rec.Config
			if a.Epoch == b.Epoch && !a.equal(b) {
				return w, true, fmt.Sprintf("two sets of voters in epoch %d", a.Epoch)
			}
		}
	}
	return w, true, ""
}

// story tells how a world came to be.
func (c *checker) story(at int32) []string {
	var lines []string
	for ; c.trail[at].before >= 0; at = c.trail[at].before {
		lines = append(lines, c.tell(c.trail[at].event))
	}
	slices.Reverse(lines)
	return lines
}

func (c *checker) tell(e event) string {
	name := [...]string{"start", "time goes on", "tick", "receive", "crash", "crash, disk put back", "yield", "change"}[e.op]
	switch e.op {
	case opTime:
		return name
	case opReceive:
		p := c.messages.all[e.arg]
		return fmt.Sprintf("%d receives from %d: %s %d/%d of life %d:%d, epoch %d, round %d, change %v", p.to, p.from, p.msg.Kind, p.msg.Ballot.Counter,
			p.msg.Ballot.Node[0]-1, p.msg.Ballot.Incarnation.Count, p.msg.Ballot.Incarnation.Salt, p.msg.Config.Epoch, p.msg.Round, p.msg.Change != nil)
	}
	return fmt.Sprintf("%d: %s", e.node, name)
}

func (v verdict) String() string {
	return fmt.Sprintf("%d states, whole %v, %s\n\t%s", v.states, v.whole, v.broken, strings.Join(v.trace, "\n\t"))
}
