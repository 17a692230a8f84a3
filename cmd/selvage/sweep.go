package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"selvage/simulator/scenario"
)

type sweepOptions struct {
	seeds, jobs int
	from        uint64
	engine      string
	shrink      bool
}

func newSimSweep(env *environment) *cobra.Command {
	var o sweepOptions
	c := &cobra.Command{
		Use:   "sweep SCENARIO.yaml... --seeds N",
		Short: "Play scenarios with many seeds; failing ones are shrunk and written down",
		Long: "Play scenarios with many seeds, each in a process of its own. Of each scenario the first seed that\n" +
			"fails is played again with fewer and shorter faults, for as long as the same check fails, and the smallest in\n" +
			"which it does is written to a new file beside where you are. Exit code 1 if any failed.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return sweep(c.Context(), env, o, args) },
	}
	c.Flags().IntVar(&o.seeds, "seeds", 100, "how many seeds")
	c.Flags().Uint64Var(&o.from, "from", 1, "the first of them")
	c.Flags().IntVar(&o.jobs, "jobs", runtime.NumCPU(), "how many stories are played at a time")
	c.Flags().StringVar(&o.engine, "engine", nativeEngine, "what plays them: one of "+engineNames())
	c.Flags().BoolVar(&o.shrink, "shrink", true, "make failing scenarios smaller")
	return c
}

// swept is how a scenario fared under all seeds.
type swept struct {
	Scenario string    `json:"scenario"`
	Seeds    int       `json:"seeds"`
	Failed   []failing `json:"failed"`
	Written  string    `json:"written,omitempty"` // the file of the smallest that fails
	Seconds  float64   `json:"wall_seconds"`
}

// failing is a seed under which a scenario failed.
type failing struct {
	Seed uint64 `json:"seed"`
	Why  string `json:"why"`
	by   string // what failed first: see wrong
}

// story is a scenario with the file that it is in.
type story struct {
	file string
	scenario.Scenario
}

func sweep(ctx context.Context, env *environment, o sweepOptions, files []string) error {
	if err := checkSeeds(o.seeds); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	stories, err := readStories(o.engine, files)
	if err != nil {
		return err
	}
	p := &player{exe: exe, engine: o.engine, limit: playLimit}
	return p.sweepAll(ctx, env, o, stories)
}

// readStories reads scenarios, and returns what keeps any of them from being played: before hours were spent on the others.
func readStories(engine string, files []string) ([]story, error) {
	engines, err := pickEngines([]string{engine})
	if err != nil {
		return nil, err
	}
	var stories []story
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil {
			return nil, err
		}
		for _, e := range engines {
			if err := e.explain(s, e.ready(s)); err != nil {
				return nil, err
			}
		}
		stories = append(stories, story{file, s})
	}
	return stories, nil
}

// sweepAll plays stories one after the other, each with all seeds, and tells what came of them, also when it cannot go on.
func (p *player) sweepAll(ctx context.Context, env *environment, o sweepOptions, stories []story) error {
	all := []swept{}
	played, failed := 0, 0
	var err error
	for _, s := range stories {
		var r swept
		r, err = p.sweep(ctx, env, o, s)
		if r.Seeds > 0 {
			all = append(all, r)
			played += r.Seeds
			failed += len(r.Failed)
		}
		if err != nil {
			break
		}
	}
	if perr := tellSwept(env, all); err == nil {
		err = perr
	}
	if err == nil && failed > 0 {
		err = hinted(fmt.Errorf("%d of %d stories failed", failed, played), "'selvage sim run FILE"+p.option()+" --seed N --trace' plays one of them again")
	}
	return err
}

// checkSeeds wants one seed at least: without any, nothing would have failed.
func checkSeeds(n int) error {
	if n < 1 {
		return usage("--seeds %d: want 1 at least", n)
	}
	return nil
}

func tellSwept(env *environment, all []swept) error {
	if env.json() {
		return env.printJSON(all)
	}
	var rows [][]string
	for _, r := range all {
		rows = append(rows, []string{r.Scenario, fmt.Sprint(r.Seeds), fmt.Sprint(len(r.Failed)), fmt.Sprintf("%.0f s", r.Seconds), r.Written})
	}
	if err := env.table([]string{"SCENARIO", "SEEDS", "FAILED", "TOOK", "SMALLEST THAT FAILS"}, rows); err != nil {
		return err
	}
	for _, r := range all {
		for _, f := range r.Failed {
			fmt.Fprintf(env.out, "%s, seed %d: %s\n", r.Scenario, f.Seed, f.Why)
		}
	}
	return nil
}

// sweep plays a story with all seeds. With an error it returns what came of those that were played to their end.
func (p *player) sweep(ctx context.Context, env *environment, o sweepOptions, s story) (swept, error) {
	begin := time.Now()
	r := swept{Scenario: filepath.Base(s.file), Failed: []failing{}}
	bar := newProgress(env.err)
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, o.jobs))
	for i := range o.seeds {
		seed := o.from + uint64(i)
		g.Go(func() error {
			v, err := p.play(gctx, s.file, seed)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if r.Seeds++; v.failed() {
				r.Failed = append(r.Failed, failing{seed, v.why(), v[0].by})
			}
			bar.Show(fmt.Sprintf("%s: %d of %d seeds, %d failed", r.Scenario, r.Seeds, o.seeds, len(r.Failed)))
			return nil
		})
	}
	err := g.Wait()
	bar.End()
	slices.SortFunc(r.Failed, func(a, b failing) int { return cmp.Compare(a.Seed, b.Seed) })
	if err == nil && o.shrink && len(r.Failed) > 0 {
		r.Written, err = p.shrink(ctx, env, s.Scenario, r)
	}
	r.Seconds = time.Since(begin).Seconds()
	return r, err
}
