package network

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	never     = time.Duration(math.MaxInt64)
	maxTime   = 10 * 365 * 24 * time.Hour
	maxPacket = 65535 // bytes on the wire, as IP has it
)

// pipe is a link at work: a plain state machine. The time, since the network's start, comes in with
// each call and never goes back; randomness comes in too. What becomes of packets is appended to out.
type pipe struct {
	link Link // with its defaults

	// waiting is in order of arrival. Invariant: it is empty if cur is nil.
	waiting ring
	queued  int     // bytes in waiting; at most link.Queue, unless that was lowered
	cur     *packet // being sent
	done    time.Duration
	edge    time.Duration // when the link goes down; of meaning if cur is set

	last   time.Duration // the latest arrival of a packet in order; none comes before it
	bad    bool          // the state of link.Burst
	codel  codel
	spent  int64 // bytes of the budget in the period
	period time.Duration
	over   bool // a packet did not fit into the period's budget
	// accounts are what was spent of budgets that the link has had and may have again: at most maxAccounts, the newest.
	accounts []account

	out   []exit
	tally Counters
}

// exit is a packet that leaves a pipe: dropped, if there is a cause, or to arrive at a time.
type exit struct {
	p     *packet
	at    time.Duration // when it arrives, or when it was dropped
	cause Cause
	twice bool // it arrives twice
}

// offer hands a packet to the link.
func (q *pipe) offer(now time.Duration, p *packet, rnd *rand.Rand) {
	q.settle(now, rnd)
	up, _ := q.link.Duty.window(now)
	switch {
	case p.wire > q.link.MTU:
		q.drop(p, now, MTU)
	case !up:
		q.drop(p, now, LinkDown)
	case q.spentAll(now):
		q.drop(p, now, OverBudget)
	case q.cur == nil:
		q.push(now, p)
		q.begin(now, rnd)
	case q.queued+p.wire > q.link.Queue:
		q.drop(p, now, QueueFull)
	default:
		q.push(now, p)
	}
}

// next returns when settle has something to do, or never.
func (q *pipe) next() time.Duration {
	if q.cur == nil {
		return never
	}
	return min(q.done, q.edge)
}

// settle does what is due.
func (q *pipe) settle(now time.Duration, rnd *rand.Rand) {
	for q.next() <= now {
		if q.edge < q.done {
			q.flush(q.edge)
			return
		}
		p := q.cur
		q.cur = nil
		q.finish(q.done, p, rnd)
		q.begin(q.done, rnd)
	}
}

// set changes the link. The packet that is being sent keeps its rate; what waits has the new one.
func (q *pipe) set(now time.Duration, l Link, rnd *rand.Rand) {
	q.settle(now, rnd)
	if l.Budget != q.link.Budget {
		q.account(l.Budget)
	}
	if l.CoDel != q.link.CoDel {
		q.codel = codel{}
	}
	q.link = l.whole()
	if q.cur == nil {
		return
	}
	up, until := q.link.Duty.window(now)
	if q.edge = until; !up {
		q.flush(now)
	}
}

// begin sends the packet at the head; those that take no time are through at once.
func (q *pipe) begin(now time.Duration, rnd *rand.Rand) {
	for p := q.head(now); p != nil; p = q.head(now) {
		up, until := q.link.Duty.window(now)
		switch {
		case !up:
			q.drop(p, now, LinkDown)
		case !q.pay(now, p.wire):
			q.drop(p, now, OverBudget)
		case q.link.Rate == 0:
			q.finish(now, p, rnd)
		default:
			q.cur, q.edge, q.done = p, until, now+q.link.sendTime(p.wire)
			return
		}
	}
}

// head takes the packet to send next.
func (q *pipe) head(now time.Duration) *packet {
	if q.link.CoDel {
		return q.dequeue(now)
	}
	return q.pop()
}

func (q *pipe) push(now time.Duration, p *packet) {
	p.queued = now
	q.queued += p.wire
	q.waiting.push(p)
}

// pop returns nil if nothing waits.
func (q *pipe) pop() *packet {
	p := q.waiting.pop()
	if p != nil {
		q.queued -= p.wire
	}
	return p
}

// finish sees a packet off whose last bit was sent.
func (q *pipe) finish(now time.Duration, p *packet, rnd *rand.Rand) {
	q.tally.Packets++
	q.tally.Bytes += int64(p.wire)
	if q.lost(rnd) {
		q.drop(p, now, Lost)
		return
	}
	at := now + q.link.Latency
	if q.link.Jitter > 0 {
		at += time.Duration(rnd.Int64N(int64(q.link.Jitter)))
	}
	at = max(at, q.last)
	if chance(rnd, q.link.Reorder) {
		at += q.link.ReorderBy
	} else {
		q.last = at
	}
	twice := chance(rnd, q.link.Duplicate)
	if twice {
		q.tally.Duplicated++
	}
	q.out = append(q.out, exit{p: p, at: at, twice: twice})
}

// lost draws whether a packet is lost.
func (q *pipe) lost(rnd *rand.Rand) bool {
	lost := chance(rnd, q.link.Loss)
	b := &q.link.Burst
	if *b == (Burst{}) {
		return lost
	}
	if q.bad {
		q.bad = !chance(rnd, b.R)
	} else {
		q.bad = chance(rnd, b.P)
	}
	loss := b.Good
	if q.bad {
		loss = b.Bad
	}
	return chance(rnd, loss) || lost
}

// flush drops what waits and what is being sent: the link went down.
func (q *pipe) flush(at time.Duration) {
	q.drop(q.cur, at, LinkDown)
	q.cur = nil
	for p := q.pop(); p != nil; p = q.pop() {
		q.drop(p, at, LinkDown)
	}
}

func (q *pipe) drop(p *packet, at time.Duration, c Cause) {
	q.tally.Dropped[c]++
	q.out = append(q.out, exit{p: p, at: at, cause: c})
}

// spentAll reports whether the link is down because its budget is used up.
func (q *pipe) spentAll(now time.Duration) bool {
	if every := q.link.Budget.Every; every > 0 && now/every != q.period {
		q.period, q.spent, q.over = now/every, 0, false
	}
	return q.over
}

// pay takes a packet's bytes from the budget, or reports that they are not there.
func (q *pipe) pay(now time.Duration, bytes int) bool {
	if q.link.Budget.Bytes == 0 {
		return true
	}
	if q.spentAll(now) || q.spent+int64(bytes) > q.link.Budget.Bytes {
		q.over = true
		return false
	}
	q.spent += int64(bytes)
	return true
}

// account is how a budget stood when the link got another.
type account struct {
	budget  Budget
	spent   int64
	period  time.Duration
	over    bool
	carried int64 // by the link, ever, until then
}

// maxAccounts bounds the budgets that a link remembers; of one that is forgotten, nothing is spent.
const maxAccounts = 16

// account puts the budget that the link has aside, and takes up the account of another. What the link carried meanwhile is spent of that.
func (q *pipe) account(next Budget) {
	carried := q.tally.Bytes
	if q.cur != nil {
		carried += int64(q.cur.wire) // it has paid
	}
	if q.link.Budget.Bytes > 0 {
		q.accounts = append(q.accounts, account{q.link.Budget, q.spent, q.period, q.over, carried})
		q.accounts = q.accounts[max(0, len(q.accounts)-maxAccounts):]
	}
	q.spent, q.period, q.over = 0, 0, false
	if i := slices.IndexFunc(q.accounts, func(a account) bool { return a.budget == next }); i >= 0 {
		a := q.accounts[i]
		q.accounts = slices.Delete(q.accounts, i, i+1)
		q.spent, q.period, q.over = a.spent+max(0, carried-a.carried), a.period, a.over
	}
}

// chance is true with probability p. It draws nothing if p is 0, so that what is not used changes nothing.
func chance(rnd *rand.Rand, p float64) bool { return p > 0 && rnd.Float64() < p }
