package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/ledger/manifest"
	"selvage/node/rollout"
	"selvage/node/runtime"
	"selvage/node/runtime/runtimetest"
)

// driver is a runtime.Driver without workloads: what a release does is written in conduct.
type driver struct {
	replaces bool

	mu      sync.Mutex
	conduct map[string]conduct   // by release; one not named here runs well
	running map[string]*instance // by deployment
	starts  []string             // releases, in the order in which they were started
	removed []string
	stuck   int      // calls of Remove that fail
	epochs  []uint64 // of the singletons that were started
	overlap bool     // two ran at once that must not
	ports   int

	closes  time.Duration // how long Close takes
	hurried bool          // and its context ended before that
}

type conduct struct {
	startErr error
	prepares time.Duration // how long Start takes
	crashes  bool          // it ends by itself at once, and again and again
	reads    bool          // it needs the blob to start
}

type instance struct {
	runtime.Condition
	d    *driver
	w    runtime.Workload
	addr string
}

func newDriver(replaces bool) *driver {
	return &driver{replaces: replaces, conduct: map[string]conduct{}, running: map[string]*instance{}, ports: 40000}
}

var _ runtime.Driver = (*driver)(nil)

func (d *driver) Start(ctx context.Context, w runtime.Workload) (runtime.Instance, error) {
	d.mu.Lock()
	prepares := d.conduct[w.Release].prepares
	d.mu.Unlock()
	sleep(ctx, prepares)
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.running[w.Deployment]
	if old != nil && old.w.Equal(w) {
		return old, nil
	}
	c := d.conduct[w.Release]
	d.starts = append(d.starts, w.Release)
	if c.reads {
		if _, err := w.Artifact.Open(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.startErr != nil:
		return nil, c.startErr
	case old != nil && !d.replaces:
		d.overlap = true
		return nil, runtime.ErrRunning
	}
	if old != nil {
		old.Enter(runtime.PhaseExited)
	}
	port := w.Port
	if port == 0 {
		d.ports++
		port = d.ports
	}
	if w.Lease != nil {
		if _, err := runtime.MayStart(w.Lease); err != nil {
			return nil, err
		}
		d.epochs = append(d.epochs, w.Lease.Term().Epoch)
	}
	i := &instance{d: d, w: w, addr: net.JoinHostPort("127.0.0.1", fmt.Sprint(port))}
	i.Enter(runtime.PhaseRunning)
	if c.crashes {
		i.Fail(runtime.PhaseRestarting, "exit status 3")
	}
	d.running[w.Deployment] = i
	return i, nil
}

func (d *driver) Replaces() bool { return d.replaces }

func (d *driver) Remove(_ context.Context, deployment string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[deployment] != nil {
		return runtime.ErrRunning
	}
	if d.stuck > 0 {
		d.stuck--
		return errors.New("directory not empty")
	}
	d.removed = append(d.removed, deployment)
	return nil
}

func (d *driver) Close(ctx context.Context) error {
	sleep(ctx, d.closes)
	d.mu.Lock()
	d.hurried = ctx.Err() != nil
	defer d.mu.Unlock()
	for name, i := range d.running {
		i.Enter(runtime.PhaseExited)
		delete(d.running, name)
	}
	return nil
}

func (i *instance) Addr() string { return i.addr }

func (i *instance) Stop(context.Context) error {
	i.d.mu.Lock()
	defer i.d.mu.Unlock()
	if i.d.running[i.w.Deployment] == i {
		delete(i.d.running, i.w.Deployment)
	}
	i.Enter(runtime.PhaseExited)
	return nil
}

// lapse ends all as drivers do when the lease has ended.
func (d *driver) lapse() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, i := range d.running {
		i.Fail(runtime.PhaseExited, "this node's lease ended")
		delete(d.running, name)
	}
}

// runs returns the release that runs; "" if none does.
func (d *driver) runs(deployment string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.running[deployment]; i != nil {
		return i.w.Release
	}
	return ""
}

func (d *driver) started(release string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(d.starts), func(r string) bool { return r != release }))
}

func (d *driver) set(release string, c conduct) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conduct[release] = c
}

// keeps has so many calls of Remove fail from now on.
func (d *driver) keeps(calls int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stuck = calls
}

// shelf is a Blobs on which every blob arrives after delay, unless err says why not.
type shelf struct {
	mu    sync.Mutex
	have  map[string]bool
	haste []Haste // of each fetch that was begun
	delay time.Duration
	err   error
	rots  int // blobs that go bad as soon as they are here
	looks int // looks at blobs that are here after which they go bad
}

var _ Blobs = (*shelf)(nil)

func newShelf() *shelf { return &shelf{have: map[string]bool{}, delay: time.Second} }

func (s *shelf) Have(a Artifact) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := s.have[a.Digest]
	if whole && s.looks > 0 {
		s.looks--
		s.have[a.Digest] = s.looks > 0
	}
	return whole
}

func (s *shelf) Fetch(ctx context.Context, a Artifact, h Haste) error {
	s.mu.Lock()
	s.haste = append(s.haste, h)
	delay := s.delay
	s.mu.Unlock()
	sleep(ctx, delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.err != nil {
		return errors.Join(ctx.Err(), s.err)
	}
	s.rots--
	s.have[a.Digest] = s.rots < 0
	return nil
}

func (s *shelf) takes(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// lose has a blob go bad, without a word to anybody.
func (s *shelf) lose(a Artifact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.have, a.Digest)
}

// Open returns no reader: nobody here reads what is whole.
func (s *shelf) Open(a Artifact) (runtime.BlobReader, error) {
	if !s.Have(a) {
		return nil, errors.New("the blob is not whole")
	}
	return nil, nil
}

// bench is a Deployer with everything around it.
type bench struct {
	*Deployer
	fs    *memdisk.FS
	shelf *shelf
	swift *driver // type function, replaces in place
	plain *driver // type process, does not
	lead  *lead
	turns Turns
	now   func() (time.Time, bool)

	mu     sync.Mutex
	alerts []string
}

// lead is a Lead that the test gives and takes.
type lead struct{ *runtimetest.Lease }

var _ Lead = lead{}

func (lead) Standby() string { return "n2 leads site s1" }

// inBubble runs f on a bench in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{fs: memdisk.New(0), shelf: newShelf(), swift: newDriver(true), plain: newDriver(false)}
		b.begin()
		f(t, b)
		b.end(t)
	})
}

// fillable returns what has the disk be full, for the journal, while it is true.
func (b *bench) fillable() *atomic.Bool {
	full := new(atomic.Bool)
	b.fs.OnOp = func(op, name string) error {
		if full.Load() && strings.HasPrefix(name, journalDir) {
			return fmt.Errorf("%s %s: %w", op, name, disk.ErrFull)
		}
		return nil
	}
	return full
}

func (b *bench) begin() {
	if b.lead == nil {
		b.lead = &lead{runtimetest.NewLease(0)}
	}
	alert := func(text string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.alerts = append(b.alerts, text)
	}
	b.Deployer = New(Config{FS: b.fs, Blobs: b.shelf, Node: "n1", Site: "s1", Lead: b.lead, Turns: b.turns, Now: b.now, Alert: alert, Changed: func() {},
		Drivers: map[string]runtime.Driver{runtime.TypeFunction: b.swift, runtime.TypeProcess: b.plain}})
}

func (b *bench) end(t *testing.T) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if b.plain.overlap {
		t.Error("a process was started while another of its deployment ran")
	}
}

// restart ends the agent and starts it again on the same disk.
func (b *bench) restart(t *testing.T) {
	t.Helper()
	b.end(t)
	b.begin()
}

const app = "shop/till"

// version is a version of app: its first letter says which driver runs it.
func version(kind, name string) *Version {
	spec := manifest.Spec{Release: "till@" + name, Health: manifest.Health{MinHealthyTime: manifest.Duration(5 * time.Second), Deadline: manifest.Duration(30 * time.Second)}}
	return &Version{ID: rollout.ID("id-" + name), Release: spec.Release, Type: kind, Artifact: Artifact{Digest: fmt.Sprintf("%064x", name)}, Spec: spec.Defaulted()}
}

func (b *bench) want(v *Version) { b.Set([]Desired{{Name: app, Selected: true, Target: v}}) }

// after lets time pass and returns how app then does.
func (b *bench) after(d time.Duration) Status {
	time.Sleep(d) // virtual
	synctest.Wait()
	for _, s := range b.Statuses() {
		if s.Name == app {
			return s
		}
	}
	return Status{}
}
