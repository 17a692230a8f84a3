package native

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"selvage/internal/disk"
	"selvage/node/runtime"
	"selvage/node/runtime/bundle"
)

// singletons sees what runs as a singleton, at every moment of true time: two run at one moment only if one begins while
// another runs.
type singletons struct {
	mu      sync.Mutex
	runs    map[string]*run   // what runs, by machine and deployment
	epochs  map[string]uint64 // the highest token that one ran with, by site and deployment
	doubled string            // the first thing that was wrong
}

// Doubled implements simulator.Overseer.
func (w *world) Doubled() string {
	w.singletons.mu.Lock()
	defer w.singletons.mu.Unlock()
	return w.singletons.doubled
}

// begin looks at a site when a singleton begins to run there. What is on a machine that sleeps does not run.
func (s *singletons) begin(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := r.life.machine
	if s.runs == nil {
		s.runs, s.epochs = map[string]*run{}, map[string]uint64{}
	}
	wrong := func(format string, args ...any) {
		if s.doubled == "" {
			s.doubled = fmt.Sprintf("%s at %s: ", r.dir, m.world.trace.Now()) + fmt.Sprintf(format, args...)
		}
	}
	for _, o := range m.world.placed(m.site) {
		if other := s.runs[o.String()+" "+r.dir]; other != nil && !o.asleep() {
			wrong("%s runs it with %d while %s does with %d", m, r.epoch, o, other.epoch)
		}
	}
	key := m.site + " " + r.dir
	if last := s.epochs[key]; r.epoch < last {
		wrong("%s runs it with %d after it ran with %d", m, r.epoch, last)
	}
	s.epochs[key] = max(s.epochs[key], r.epoch)
	s.runs[m.String()+" "+r.dir] = r
}

func (s *singletons) end(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := r.life.machine.String() + " " + r.dir; s.runs[key] == r {
		delete(s.runs, key)
	}
}

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
	w.singletons.begin(r)
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
	if still := m.stillness.still(); still != nil && m.asleep() {
		<-still
	}
	if err := r.fs.Remove(r.link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.world.trace.Note(m.String(), "singleton cannot be ended", "%v", err)
	}
	m.world.trace.Note(m.String(), "singleton", "%s has ended", r.dir)
	m.world.singletons.end(r)
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
