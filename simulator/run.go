package simulator

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"selvage/simulator/scenario"
)

// tellEvery is how often progress is told, in wall time.
const tellEvery = 200 * time.Millisecond

// Run plays a scenario with the native engine: real nodes in this process, in virtual time, on a
// virtual network. progress is told how far it is, from a goroutine of its own; nil is fine. The story ends
// early when ctx ends, or when a check cannot hold any more. An error means that it could not be
// played to its end; a check that failed is in the Result.
func Run(ctx context.Context, s scenario.Scenario, progress func(Progress)) (Result, error) {
	begin := time.Now()
	var latest atomic.Pointer[Progress]
	stop := follow(&latest, progress)
	// Most of what a simulated node allocates is gone at once, and memory is there: collect rarely.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var r Result
	var err error
	synctest.Test(new(testing.T), func(*testing.T) { r, err = tell(ctx, s.Expand(), &latest) })
	stop()
	r.WallSeconds = time.Since(begin).Seconds()
	return r, err
}

// follow tells of progress from outside the bubble, whose time is not ours.
func follow(latest *atomic.Pointer[Progress], progress func(Progress)) (stop func()) {
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
