package network

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

// bench is a pipe alone, and what it said.
type bench struct {
	pipe
	rnd   *rand.Rand
	sent  uint64
	exits []exit
}

func newBench(l Link) *bench {
	return &bench{pipe: pipe{link: l.whole()}, rnd: rand.New(rand.NewPCG(3, 4))}
}

func (b *bench) offer(at time.Duration, wire int) {
	b.sent++
	b.pipe.offer(at, &packet{id: b.sent, wire: wire}, b.rnd)
	b.take()
}

func (b *bench) settle(at time.Duration) {
	b.pipe.settle(at, b.rnd)
	b.take()
}

func (b *bench) take() {
	b.exits = append(b.exits, b.out...)
	b.out = b.out[:0]
}

// arrivals returns when the packets that were not dropped arrive.
func (b *bench) arrivals() (out []time.Duration) {
	for _, x := range b.exits {
		if x.cause == 0 {
			out = append(out, x.at)
		}
	}
	return out
}

func TestDelayIsSendingAndLatencyAndWhatIsAhead(t *testing.T) {
	b := newBench(Link{Rate: 8e6, Latency: 20 * ms}) // 1000 bytes a millisecond
	b.offer(0, 1000)
	b.offer(0, 500)
	b.offer(0, 1500)
	b.offer(2*ms, 1000)
	b.settle(time.Second)
	b.offer(time.Second, 1000)
	b.settle(2 * time.Second)
	want := []time.Duration{21 * ms, 21500 * time.Microsecond, 23 * ms, 24 * ms, 1021 * ms}
	if got := b.arrivals(); !slices.Equal(got, want) {
		t.Errorf("packets arrive at %v, want %v", got, want)
	}
}

func TestThroughputIsTheRate(t *testing.T) {
	for _, rate := range []int64{9_600, 1e6, 7_777_777, 1e9} {
		b := newBench(Link{Rate: rate, Latency: 30 * ms})
		gap := b.link.sendTime(1500) * 3 / 4 // a third more than fits
		for i := range time.Duration(4000) {
			b.offer(i*gap, 1500)
		}
		end := 4000 * gap
		got := float64(b.tally.Bytes) * 8 / end.Seconds() / float64(rate)
		if got < 0.99 || got > 1 {
			t.Errorf("%d bit/s: carried %.3f of the rate", rate, got)
		}
	}
}

func TestTailDropIsExactlyAtTheQueue(t *testing.T) {
	b := newBench(Link{Rate: 8e6, Queue: 3000})
	for range 6 { // one is sent, three wait
		b.offer(0, 1000)
	}
	if got := b.tally.Dropped[QueueFull]; got != 2 {
		t.Errorf("%d are dropped of six, want 2", got)
	}
	b.offer(ms-1, 1)
	if got := b.tally.Dropped[QueueFull]; got != 3 {
		t.Error("a byte more than the queue has found room")
	}
	b.offer(ms, 1000) // the second is being sent now
	if got := b.tally.Dropped[QueueFull]; got != 3 {
		t.Error("there was no room where a packet had left")
	}
}

func TestQueueByDefault(t *testing.T) {
	for rate, want := range map[int64]int{0: 64 << 10, 1e6: 64 << 10, 100e6: 1_250_000} {
		if got := (Link{Rate: rate}).whole().Queue; got != want {
			t.Errorf("%d bit/s: %d bytes, want %d", rate, got, want)
		}
	}
}

// TestQueueModel compares with a model that has no queue: it knows of each packet that was accepted
// when it began and ended to be sent.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Link{Rate: rapid.Int64Range(1000, 1e8).Draw(t, "rate"), Latency: time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "latency")),
			Queue: rapid.IntRange(1, 20_000).Draw(t, "queue")}
		type span struct {
			begin, end time.Duration
			wire       int
		}
		var model []span
		var want []time.Duration
		b := newBench(l)
		now := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			now += time.Duration(rapid.Int64Range(0, 3*int64(b.link.sendTime(700))).Draw(t, "gap"))
			wire := rapid.IntRange(Headers, DefaultMTU).Draw(t, "wire")
			begin, waiting, idle := now, 0, true
			for _, s := range model {
				begin = max(begin, s.end)
				if s.begin > now {
					waiting += s.wire
				}
				idle = idle && s.end <= now
			}
			if idle || waiting+wire <= l.Queue {
				end := begin + b.link.sendTime(wire)
				model = append(model, span{begin, end, wire})
				want = append(want, end+l.Latency)
			}
			b.offer(now, wire)
		}
		b.settle(never - 1)
		if got := b.arrivals(); !slices.Equal(got, want) {
			t.Fatalf("packets arrive at %v, want %v", got, want)
		}
	})
}

func anyProbability(t *rapid.T, name string) float64 {
	return rapid.SampledFrom([]float64{0, 0, 0.01, 0.3, 1}).Draw(t, name)
}

func anyLink(t *rapid.T) Link {
	span := func(name string, most time.Duration) time.Duration {
		return time.Duration(rapid.SampledFrom([]int64{0, 0, int64(most) / 7, int64(most)}).Draw(t, name))
	}
	l := Link{Rate: rapid.SampledFrom([]int64{0, 1e6, 3e6, 1e9}).Draw(t, "rate"), Latency: span("latency", 50*ms), Jitter: span("jitter", 30*ms),
		Loss: anyProbability(t, "loss"), Queue: rapid.SampledFrom([]int{0, 1, 5000}).Draw(t, "queue"), CoDel: rapid.Bool().Draw(t, "codel"),
		MTU: rapid.SampledFrom([]int{0, 800}).Draw(t, "mtu"), Duplicate: anyProbability(t, "duplicate"), ReorderBy: 5 * ms}
	if rapid.Bool().Draw(t, "burst") {
		l.Burst = Burst{P: 0.1, R: 0.3, Bad: 0.9}
	}
	if rapid.Bool().Draw(t, "duty") {
		l.Duty = Duty{Every: 40 * ms, Up: span("up", 40*ms), Offset: span("offset", 90*ms)}
	}
	if rapid.Bool().Draw(t, "budget") {
		l.Budget = Budget{Bytes: 20_000, Every: span("period", 100*ms)}
	}
	return l
}

// TestConservation runs links of all kinds, that change, and checks after each step that nothing is
// lost from sight, and that what arrives does so in order.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(anyLink(t))
		reorder := rapid.SampledFrom([]float64{0, 0, 0.2}).Draw(t, "reorder")
		b.link.Reorder = reorder
		now := time.Duration(0)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now += time.Duration(rapid.SampledFrom([]int64{0, 0, 1e5, 3e6, 5e7}).Draw(t, "gap"))
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				l := anyLink(t)
				l.Reorder = reorder
				b.set(now, l, b.rnd)
				b.take()
			case 1:
				b.settle(now)
			default:
				b.offer(now, rapid.IntRange(Headers, DefaultMTU).Draw(t, "wire"))
			}
			b.check(t, now)
		}
	})
}

func (b *bench) check(t *rapid.T, now time.Duration) {
	inside, queued := 0, 0
	for i := range b.waiting.n {
		queued += b.waiting.buf[(b.waiting.head+i)%len(b.waiting.buf)].wire
	}
	if inside = b.waiting.n; b.cur != nil {
		inside++
	}
	if queued != b.queued {
		t.Fatalf("%d bytes wait, counted as %d", queued, b.queued)
	}
	if b.cur == nil && b.waiting.n > 0 {
		t.Fatal("packets wait for nothing")
	}
	if int(b.sent) != len(b.exits)+inside {
		t.Fatalf("%d went in, %d came out, %d are inside", b.sent, len(b.exits), inside)
	}
	if b.next() <= now {
		t.Fatalf("at %v there is still something to do at %v", now, b.next())
	}
	last, id, drops := time.Duration(0), uint64(0), int64(0)
	for _, x := range b.exits {
		switch {
		case x.cause != 0:
			drops++
		case b.link.Reorder > 0:
		case x.at < last || x.p.id <= id:
			t.Fatalf("packet %d at %v comes after packet %d at %v", x.p.id, x.at, id, last)
		default:
			last, id = x.at, x.p.id
		}
	}
	if drops != b.tally.Dropped.All() {
		t.Fatalf("%d are dropped, counted as %d", drops, b.tally.Dropped.All())
	}
}

func TestDutyIsExact(t *testing.T) {
	b := newBench(Link{Rate: 8e6, Duty: Duty{Up: 10 * ms, Every: 100 * ms, Offset: 5 * ms}})
	for i := range time.Duration(10_000) { // twice as many as fit
		b.offer(i*ms/2, 1000)
	}
	perWindow := map[time.Duration]int{}
	for _, at := range b.arrivals() {
		into := (at - 5*ms) % (100 * ms)
		if into < ms || into > 10*ms {
			t.Fatalf("a packet was through at %v", at)
		}
		perWindow[(at-5*ms)/(100*ms)]++
	}
	for w, got := range perWindow {
		if got != 10 {
			t.Errorf("window %d: %d packets, want 10", w, got)
		}
	}
	if len(perWindow) != 50 {
		t.Errorf("%d windows, want 50", len(perWindow))
	}
}

func TestWhatWaitsIsLostWhenTheLinkGoesDown(t *testing.T) {
	b := newBench(Link{Rate: 8e6, Latency: 50 * ms, Duty: Duty{Up: 2500 * time.Microsecond, Every: time.Second}})
	for range 5 {
		b.offer(0, 1000)
	}
	b.settle(time.Second / 2)
	if got, want := b.arrivals(), []time.Duration{51 * ms, 52 * ms}; !slices.Equal(got, want) {
		t.Errorf("packets arrive at %v, want %v", got, want)
	}
	if got := b.tally.Dropped[LinkDown]; got != 3 || b.exits[4].at != 2500*time.Microsecond {
		t.Errorf("%d were lost, the last at %v", got, b.exits[4].at)
	}
}

func TestBudgetIsExact(t *testing.T) {
	const bytes = 10_500
	for _, every := range []time.Duration{0, 100 * ms} {
		b := newBench(Link{Rate: 8e6, Budget: Budget{Bytes: bytes, Every: every}})
		for i := range time.Duration(1000) {
			b.offer(i*ms, 1000)
		}
		b.settle(2 * time.Second)
		want := 10
		if every > 0 {
			want = 100
		}
		if got := len(b.arrivals()); got != want || int(b.tally.Dropped[OverBudget]) != 1000-want {
			t.Errorf("every %v: %d were carried, want %d; %v", every, got, want, b.tally.Dropped)
		}
	}
	b := newBench(Link{Budget: Budget{Bytes: bytes}})
	for range 11 {
		b.offer(0, 1000)
	}
	b.offer(0, 100) // would fit, but the link is down
	if got := b.tally.Bytes; got != 10_000 {
		t.Errorf("%d bytes were carried", got)
	}
}

// TestBudgetComesBack: a link that has another budget for a time, or none, has no more left of its own than before, and pays from that what it
// carried meanwhile.
func TestBudgetComesBack(t *testing.T) {
	for _, every := range []time.Duration{0, time.Hour} {
		for _, meanwhile := range []Budget{{}, {Bytes: 1000}, {Bytes: 1500, Every: time.Minute}} {
			own := Link{Rate: 8e6, Budget: Budget{Bytes: 3000, Every: every}}
			b := newBench(own)
			send := func(at time.Duration) {
				for range 4 {
					b.offer(at, 1000)
				}
				b.settle(at + 10*ms)
			}
			b.offer(0, 1000)
			b.set(0, Link{Rate: 8e6, Budget: meanwhile}, b.rnd) // while the first is being sent
			b.offer(0, 1000)
			b.settle(10 * ms)
			b.set(10*ms, own, b.rnd)
			if send(10 * ms); b.tally.Bytes != 3000 {
				t.Errorf("of %v, with %v for a time, %d bytes were carried", own.Budget, meanwhile, b.tally.Bytes)
			}
			if every == 0 {
				continue
			}
			if send(time.Hour); b.tally.Bytes != 6000 {
				t.Errorf("of %v, with %v for a time, %d bytes were carried in two periods", own.Budget, meanwhile, b.tally.Bytes)
			}
		}
	}
}

func TestMTU(t *testing.T) {
	b := newBench(Link{})
	b.offer(0, 1500)
	b.offer(0, 1501)
	if b.tally.Packets != 1 || b.tally.Dropped[MTU] != 1 {
		t.Errorf("of 1500 and 1501 bytes: %+v", b.tally)
	}
}

func TestChangesHoldForWhatWaits(t *testing.T) {
	b := newBench(Link{Rate: 8e6, Latency: 10 * ms})
	for range 4 {
		b.offer(0, 1000)
	}
	b.set(ms+ms/2, Link{Rate: 80e6, Latency: 10 * ms}, b.rnd) // in the midst of the second
	b.settle(time.Second)
	want := []time.Duration{11 * ms, 12 * ms, 12*ms + ms/10, 12*ms + ms/5}
	if got := b.arrivals(); !slices.Equal(got, want) {
		t.Errorf("packets arrive at %v, want %v", got, want)
	}
	b = newBench(Link{Latency: 100 * ms})
	b.offer(0, 1000)
	b.set(0, Link{}, b.rnd)
	b.offer(ms, 1000)
	if got := b.arrivals(); got[1] < got[0] {
		t.Errorf("a shorter link has changed the order: %v", got)
	}
}
