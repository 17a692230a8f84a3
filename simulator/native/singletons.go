package native

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
)

// exclusive sees what only one of a site may do at a time, at every moment of true time: two do at one moment only if one begins while another
// does it, or wakes and goes on with it.
type exclusive struct {
	again bool // it may be done again with the same token

	mu     sync.Mutex
	turns  []*turn
	tokens map[string]uint64        // the highest so far, by site and what is done
	begun  map[string]time.Duration // when it was begun last, by machine
	wrong  string                   // the first thing that was
}

// turn is one time that something is done.
type turn struct {
	on    *machine
	what  string
	token uint64
}

// begin looks at a site when somebody begins, and returns what is to be called when they have ended. What is on a machine that sleeps does nothing.
func (x *exclusive) begin(m *machine, what string, token uint64) (end func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.tokens == nil {
		x.tokens, x.begun = map[string]uint64{}, map[string]time.Duration{}
	}
	now := m.world.trace.Now()
	wrong := func(format string, args ...any) {
		if x.wrong == "" {
			x.wrong = fmt.Sprintf("%s at %s: ", what, now) + fmt.Sprintf(format, args...)
		}
	}
	for _, o := range x.turns {
		if o.on.site == m.site && o.what == what && !o.on.asleep() {
			wrong("%s begins with %d while %s goes on with %d", m, token, o.on, o.token)
		}
	}
	key := m.site + " " + what
	if last := x.tokens[key]; token < last || token == last && !x.again {
		wrong("%s begins with %d after it was done with %d", m, token, last)
	}
	x.tokens[key] = max(x.tokens[key], token)
	x.begun[m.String()] = now
	t := &turn{m, what, token}
	x.turns = append(x.turns, t)
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.turns = slices.DeleteFunc(x.turns, func(o *turn) bool { return o == t })
	}
}

// said is the first thing that was wrong; "" if nothing was. It is asked when all goroutines wait: who has woken has ended by then, or goes on.
func (x *exclusive) said() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	awake := map[string]*turn{} // by site and what is done
	for _, o := range x.turns {
		if x.wrong != "" || o.on.asleep() {
			continue
		}
		key := o.on.site + " " + o.what
		if p := awake[key]; p != nil {
			x.wrong = fmt.Sprintf("%s at %s: %s goes on with %d while %s does with %d", o.what, o.on.world.trace.Now(), p.on, p.token, o.on, o.token)
		}
		awake[key] = o
	}
	return x.wrong
}

// Doubled implements simulator.Overseer.
func (w *world) Doubled() string { return w.singletons.said() }

// keeper plays the guards of a machine's singletons, as package process has them: a guard tells the time by the machine's
// clock, goes on while the node stands still, and stands still with a machine that sleeps.
type keeper struct{ life *life }

var _ bundle.Keeper = keeper{}

// Keep implements bundle.Keeper.
func (k keeper) Keep(made, link string, l runtime.Lease) (bundle.Kept, error) {
	m := k.life.machine
	now := m.clock.uptime()
	term := l.Term()
	if !k.life.goes() {
		return nil, errDead
	}
	r := &run{life: k.life, lease: l, fs: m.Disk(), dir: path.Dir(link), link: link, until: now + term.Live,
		prolonged: make(chan struct{}, 1), dropped: make(chan struct{}), done: make(chan struct{})}
	if term.Run <= 0 || r.left() <= 0 {
		return nil, runtime.ErrNoLease
	}
	if err := r.place(made); err != nil {
		return nil, err
	}
	m.world.wg.Go(r.guard)
	m.world.wg.Go(r.feed)
	return r, nil
}

// run is a singleton that runs, under its guard.
type run struct {
	life  *life
	lease runtime.Lease
	fs    disk.FS // the machine's, whatever becomes of the node
	dir   string  // of the deployment
	link  string
	epoch uint64 // that the singleton is told
	end   func() // of what is seen of it

	mu        sync.Mutex
	until     time.Duration // by the machine's clock
	prolonged chan struct{} // holds one
	dropping  sync.Once
	dropped   chan struct{}
	done      chan struct{}
}

// place has the singleton begin.
func (r *run) place(made string) error {
	told, err := disk.ReadFile(r.fs, path.Join(r.dir, "epoch"), 64)
	if err != nil {
		return err
	}
	if _, err := fmt.Sscan(strings.TrimSpace(string(told)), &r.epoch); err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	if err := r.fs.Rename(made, r.link); err != nil {
		return err
	}
	w := r.life.machine.world
	w.trace.Note(r.life.machine.String(), "singleton", "%s runs with %d", r.dir, r.epoch)
	r.end = w.singletons.begin(r.life.machine, r.dir, r.epoch)
	return nil
}

// left is what is left until the deadline.
func (r *run) left() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until - r.life.machine.clock.uptime()
}

// guard ends the singleton at its deadline, when it is dropped, or when its node has died.
func (r *run) guard() {
	defer close(r.done)
	for more := true; more; {
		left := r.left()
		if left <= 0 {
			break
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-r.prolonged:
		case <-r.dropped:
			more = false
		case <-r.life.dead:
			more = false
		}
		t.Stop()
	}
	m := r.life.machine
	m.stillness.rest()
	if err := r.fs.Remove(r.link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.world.trace.Note(m.String(), "singleton cannot be ended", "%v", err)
	}
	m.world.trace.Note(m.String(), "singleton", "%s has ended", r.dir)
	r.end()
}

// feed is the node's part: it prolongs the deadline as the lease is.
func (r *run) feed() {
	for {
		changed := r.lease.Changed()
		now := r.life.machine.clock.uptime()
		term := r.lease.Term()
		if !r.life.goes() {
			return
		}
		if term.Run <= 0 {
			r.Drop()
			return
		}
		r.prolong(now + term.Live)
		t := time.NewTimer(term.NextLook())
		select {
		case <-changed:
		case <-t.C:
		case <-r.done:
		}
		t.Stop()
		select {
		case <-r.done:
			return
		default:
		}
	}
}

// prolong moves the deadline, unless it has passed.
func (r *run) prolong(until time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until <= r.life.machine.clock.uptime() {
		return
	}
	r.until = max(r.until, until)
	select {
	case r.prolonged <- struct{}{}:
	default: // it is about to look
	}
}

// Drop implements bundle.Kept. A node that stands still does it when it goes on.
func (r *run) Drop() {
	r.dropping.Do(func() {
		r.life.machine.world.wg.Go(func() {
			if r.life.goes() {
				close(r.dropped)
			}
		})
	})
}

// Done implements bundle.Kept.
func (r *run) Done() <-chan struct{} { return r.done }
