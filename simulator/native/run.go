package native

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// tellEvery is how often progress is told, in wall time.
const tellEvery = 200 * time.Millisecond

// Run plays a scenario: real nodes in this process, in virtual time, on a virtual network. Progress is told
// from a goroutine of its own. See simulator.Tell for how it ends.
func Run(ctx context.Context, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	begin := time.Now()
	s = s.Expand()
	var latest atomic.Pointer[simulator.Progress]
	stop := follow(&latest, o.Progress)
	o.Progress = func(p simulator.Progress) { latest.Store(&p) }
	// Most of what a simulated node allocates is gone at once, and memory is there: collect rarely, until a fleet of
	// a thousand makes it scarce.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(min(scarce, debug.SetMemoryLimit(-1))))
	if machines(s) < crowd {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	var r simulator.Result
	var err error
	synctest.Test(new(testing.T), func(*testing.T) {
		r, err = tell(ctx, s, o)
	})
	stop()
	r.Engine = "native"
	r.WallSeconds = time.Since(begin).Seconds()
	return r, err
}

// crowd is how many machines keep a second processor busy, if with little more than their garbage. The goroutines of a
// smaller story wait for each other nearly all the time: on one processor it takes a third less of its time, and no
// longer.
const crowd = 20

func machines(s scenario.Scenario) int {
	n := 0
	for _, site := range s.Sites {
		n += site.Nodes
	}
	return n
}

// scarce is how much memory a story takes before the rest of it is used sparingly.
const scarce = 16 << 30

// tell plays the scenario in the bubble of the calling goroutine.
func tell(ctx context.Context, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	w, err := newWorld(s)
	if err != nil {
		return simulator.Result{}, err
	}
	r, err := simulator.Tell(ctx, s, w, w.trace, o)
	time.Sleep(linger) // goroutines of libraries that outlive their Close
	return r, err
}

// linger is virtual: gossip.Linger is what it has to be at least.
const linger = time.Minute

// follow tells of progress from outside the bubble, whose time is not ours.
func follow(latest *atomic.Pointer[simulator.Progress], progress func(simulator.Progress)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if p := latest.Load(); p != nil {
					progress(*p)
				}
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}
