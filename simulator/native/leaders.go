package native

import (
	"fmt"
	"slices"
	"sync"

	"selvage/ledger/lease"
	"selvage/simulator"
)

// leaders sees who leads which site, and by which voters, at every moment of true time.
//
// A node leads from the moment when it takes a lease, or prolongs one, to some later moment at which nobody has to be told: its
// clock says so. Two therefore lead at one moment only if at one of the former moments both do; and at each of them the node tells.
type leaders struct {
	mu     sync.Mutex
	last   map[string]led // by site: the highest token that was led with
	misled string         // the first thing that was wrong
}

// led is who led, and with what.
type led struct {
	on    *machine
	token lease.Token
}

var _ simulator.Overseer = (*world)(nil)

// Misled implements simulator.Overseer.
func (w *world) Misled() string {
	w.leaders.mu.Lock()
	defer w.leaders.mu.Unlock()
	return w.leaders.misled
}

// leads looks at a site when one of its nodes has come to lead it, or leads on. A machine that was killed leads nobody,
// whatever its goroutines think.
func (w *world) leads(l *life, t lease.Token) {
	if l.gone() {
		return
	}
	m := l.machine
	defer w.changed()
	for _, o := range w.placed(m.site) {
		if o == m {
			continue
		}
		if token, leads := o.leads(); leads {
			w.wrong("at %s %s leads with token %s while %s does with %s", w.trace.Now(), m, text(t), o, text(token))
		}
		w.alike(m, o)
	}
	w.leaders.mu.Lock()
	last, known := w.leaders.last[m.site]
	if !known || last.token.Compare(t) <= 0 {
		if w.leaders.last == nil {
			w.leaders.last = map[string]led{}
		}
		w.leaders.last[m.site] = led{m, t}
	}
	w.leaders.mu.Unlock()
	if known && last.token.Compare(t) > 0 {
		w.wrong("at %s %s leads with token %s after %s did with %s", w.trace.Now(), m, text(t), last.on, text(last.token))
	}
}

// alike wants two machines of a site to go by the same voters, if they are of one epoch: a majority of the ones need not meet one of the others.
func (w *world) alike(a, b *machine) {
	x, y := a.node(), b.node()
	if x == nil || y == nil {
		return
	}
	if c, d := x.Lead().View().Config, y.Lead().View().Config; c.Epoch == d.Epoch && !slices.Equal(c.Voters, d.Voters) {
		w.wrong("at %s %s and %s go by different voters of epoch %d", w.trace.Now(), a, b, c.Epoch)
	}
}

// text is as much of a token as tells it from others by eye: the epoch of the voters, the counter, the node and its incarnation.
func text(t lease.Token) string {
	return fmt.Sprintf("%d.%d.%s.%d", t.Epoch, t.Ballot.Counter, t.Ballot.Node.Short(), t.Ballot.Incarnation.Count)
}

func (w *world) wrong(format string, args ...any) {
	w.leaders.mu.Lock()
	defer w.leaders.mu.Unlock()
	if w.leaders.misled == "" {
		w.leaders.misled = fmt.Sprintf(format, args...)
	}
}

// leads reports whether the machine's node leads its site now, also while it stands still: its lease does not know.
func (m *machine) leads() (lease.Token, bool) {
	m.mu.Lock()
	l := m.life
	m.mu.Unlock()
	if l == nil || l.gone() {
		return lease.Token{}, false
	}
	n := m.node()
	if n == nil {
		return lease.Token{}, false
	}
	return n.Lead().Active()
}

// gone reports whether the life was ended by force.
func (l *life) gone() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}
