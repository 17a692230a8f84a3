package netns

import (
	"context"
	"errors"
	"time"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

// Check returns why a scenario cannot be played on this machine, as Run would: with a *lab.Unable. It leaves nothing behind.
func Check(s scenario.Scenario) error {
	if err := check(s.Expand()); err != nil {
		return err
	}
	l, err := lab.New()
	if err != nil {
		return err
	}
	return l.Close()
}

// Run plays a scenario. See simulator.Tell for how it ends. Of the Result, virtual time is real.
func Run(ctx context.Context, cfg Config, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	begin := time.Now()
	if o.Progress == nil {
		o.Progress = func(simulator.Progress) {}
	}
	s = s.Expand()
	if err := check(s); err != nil {
		return simulator.Result{}, err
	}
	st, err := newStage(ctx, cfg, s, o)
	if err != nil {
		return simulator.Result{}, err
	}
	r, err := simulator.Tell(ctx, s, st, st.trace, o)
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(err, cause) // what was under way ended by that
	}
	r.Engine = "netns"
	r.WallSeconds = time.Since(begin).Seconds()
	return r, err
}
