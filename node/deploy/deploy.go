// Package deploy carries out what node/rollout decides, for every deployment of one node.
//
// A Deployer is told what the ledger wants (Set) and brings the node there: it fetches blobs,
// starts workloads through their drivers, judges their health, and journals what must not be
// forgotten. Each deployment has a worker, a goroutine that goes round one loop: observe, decide,
// write down, act. The worker alone changes its deployment's state; everything slow (a fetch, a
// start, a probe) happens in goroutines that it owns and that wake it when they are done.
package deploy

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"selvage/internal/disk"
	"selvage/node/rollout"
	"selvage/node/runtime"
)

// Desired is what the ledger wants of one deployment on this node.
type Desired struct {
	Name     string
	Selected bool     // the node is meant
	Target   *Version // nil when it cannot be told, or cannot run here
	Problem  string   // why Target is nil
}

// Status is how one deployment does on this node.
type Status struct {
	Name    string
	Release string     // what runs; "" if nothing does
	Version rollout.ID // likewise
	Target  string     // what should run
	Aim     rollout.ID // likewise
	Phase   rollout.Phase
	Opens   time.Time // when Target may be changed to at the earliest, if it has to wait for its time; zero: no such time is known
	Ready   bool      // Release runs and is healthy
	Address string    // host:port that it serves on
	Why     string
}

// Blobs is where artifacts come from.
type Blobs interface {
	// Have reports whether the blob is here, whole.
	Have(a Artifact) bool
	// Fetch returns when the blob is here, whole, or it can be no use to go on.
	Fetch(ctx context.Context, a Artifact, h Haste) error
	Open(a Artifact) (runtime.BlobReader, error)
}

// Haste is how a fetch stands beside others.
type Haste struct {
	Ahead  bool // of its time: it waits for what is wanted now
	Urgent bool // others wait for it, though it be ahead of its time
}

// Config is what a Deployer works with. All fields but Lead, Turns, Now, Logger and Alert must be set.
type Config struct {
	FS      disk.FS
	Blobs   Blobs
	Drivers map[string]runtime.Driver // by workload type
	Node    string                    // told to workloads
	Site    string
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // for health probes
	Lead    Lead                                                                 // what singletons run under; nil: none runs here
	Turns   Turns                                                                // who sequences changes in the site; nil: nobody, everybody changes at once
	// Now is the time as far as it is known, and whether it is: if not, it is that at least. nil: this machine's clock, which is right.
	Now    func() (now time.Time, sure bool)
	Logger *slog.Logger
	// Alert tells a person of what a machine cannot mend, or could but at a price. It is called from any goroutine, with the same text again
	// while that lasts; it must not block. nil: nobody is told.
	Alert func(text string)
	// Changed is called after a status changed, from any goroutine; it must not block.
	Changed func()
}

// Deployer runs deployments. Methods may be called from several goroutines at once.
type Deployer struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	tenure  *tenure
	closed  chan struct{} // closed when Close returns
	closing sync.Once

	mu      sync.Mutex
	workers map[string]*worker
	// singletons: a deployment is one. lone then holds that news, until it is heard.
	singletons bool
	lone       chan struct{}
}

// New returns a Deployer that runs nothing yet.
func New(cfg Config) *Deployer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = func() (time.Time, bool) { return time.Now(), true }
	}
	if cfg.Alert == nil {
		cfg.Alert = func(string) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &Deployer{cfg: cfg, ctx: ctx, cancel: cancel, tenure: &tenure{lead: cfg.Lead}, closed: make(chan struct{}), lone: make(chan struct{}, 1), workers: map[string]*worker{}}
	if cfg.Lead != nil {
		d.wg.Go(func() { d.follow(cfg.Lead) })
	}
	return d
}

// Set says what the ledger wants now, of all deployments that count there. One that was named before and is not now has fallen, as the
// key was revoked that signed it: nothing of it is begun any more, and what runs is left as it is, for a person to declare what is to become of it.
func (d *Deployer) Set(all []Desired) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return
	}
	named := map[string]bool{}
	for _, want := range all {
		named[want.Name] = true
		d.setOne(want)
	}
	for name, w := range d.workers {
		if !named[name] {
			w.fall()
		}
	}
}

// setOne says what the ledger wants of one deployment. The caller holds mu.
func (d *Deployer) setOne(want Desired) {
	d.noteSingleton(want)
	if w := d.workers[want.Name]; w != nil {
		w.set(want)
		return
	}
	if !want.Selected && !journalled(d.cfg.FS, want.Name) {
		return
	}
	w := newWorker(d.cfg, d.tenure, want)
	d.workers[want.Name] = w
	d.wg.Go(func() { w.run(d.ctx) })
}

// Statuses returns how every deployment does that is meant for this node, by name.
func (d *Deployer) Statuses() []Status {
	d.mu.Lock()
	workers := make([]*worker, 0, len(d.workers))
	for _, w := range d.workers {
		workers = append(workers, w)
	}
	d.mu.Unlock()
	var all []Status
	for _, w := range workers {
		if s := w.current(); s.Phase != "" && s.Phase != rollout.Absent {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Close stops every workload, politely while ctx lasts, and waits for all to end.
func (d *Deployer) Close(ctx context.Context) error {
	d.mu.Lock()
	d.cancel()
	d.mu.Unlock()
	d.wg.Wait()
	defer d.closing.Do(func() { close(d.closed) })
	var drivers errgroup.Group // all at once, or the last would have what time the others leave
	for _, driver := range d.cfg.Drivers {
		drivers.Go(func() error { return driver.Close(ctx) })
	}
	return drivers.Wait()
}

// backoff is the pause before the n-th try again, n from 0: 1 s, doubling to 30 s.
func backoff(n int) time.Duration { return min(time.Second<<min(n, 5), 30*time.Second) }

// sleep returns early when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
