package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"selvage/simulator/scenario"
)

// maxShrink is how many stories are played to make a failing one smaller.
const maxShrink = 60

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
	c.Flags().StringVar(&o.engine, "engine", "native", "what plays them: one of "+engineNames())
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

func sweep(ctx context.Context, env *environment, o sweepOptions, files []string) error {
	if err := checkSeeds(o.seeds); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if _, err := pickEngines([]string{o.engine}); err != nil {
		return err
	}
	player := &player{exe: exe, engine: o.engine, limit: playLimit}
	var all []swept
	failed := 0
	for _, file := range files {
		s, err := readScenario(file)
		if err != nil {
			return err
		}
		r, err := player.sweep(ctx, env, o, file, s)
		if err != nil {
			return err
		}
		failed += len(r.Failed)
		all = append(all, r)
	}
	if env.json() {
		err = env.printJSON(all)
	} else {
		err = printSwept(env, all)
	}
	if err == nil && failed > 0 {
		err = hinted(fmt.Errorf("%d of %d stories failed", failed, o.seeds*len(files)), "'selvage sim run FILE --seed N --trace' plays one of them again")
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

func printSwept(env *environment, all []swept) error {
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

func (p *player) sweep(ctx context.Context, env *environment, o sweepOptions, file string, s scenario.Scenario) (swept, error) {
	begin := time.Now()
	r := swept{Scenario: filepath.Base(file), Seeds: o.seeds, Failed: []failing{}}
	bar := newProgress(env.err)
	var mu sync.Mutex
	done := 0
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, o.jobs))
	for i := range o.seeds {
		seed := o.from + uint64(i)
		g.Go(func() error {
			v, err := p.play(gctx, file, seed)
			mu.Lock()
			defer mu.Unlock()
			if done++; v.failed() {
				r.Failed = append(r.Failed, failing{seed, v.why(), v[0].by})
			}
			bar.Show(fmt.Sprintf("%s: %d of %d seeds, %d failed", r.Scenario, done, o.seeds, len(r.Failed)))
			return err
		})
	}
	err := g.Wait()
	bar.End()
	if err != nil {
		return r, err
	}
	slices.SortFunc(r.Failed, func(a, b failing) int { return cmp.Compare(a.Seed, b.Seed) })
	if o.shrink && len(r.Failed) > 0 {
		if r.Written, err = p.shrink(ctx, env, s, r); err != nil {
			return r, err
		}
	}
	r.Seconds = time.Since(begin).Seconds()
	return r, nil
}

// shrink looks for the smallest scenario that fails as the whole did, and writes it down. One in which something else fails tells
// of another fault, or of none: without a deployment nothing runs either.
func (p *player) shrink(ctx context.Context, env *environment, s scenario.Scenario, r swept) (string, error) {
	s.Seed = r.Failed[0].Seed
	trial, err := os.CreateTemp("", "selvage-shrink-*.yaml")
	if err != nil {
		return "", err
	}
	_ = trial.Close() // it is written by name
	defer os.Remove(trial.Name())
	bar := newProgress(env.err)
	tries := 0
	small := scenario.Minimize(s.Expand(), func(candidate scenario.Scenario) bool {
		if tries++; ctx.Err() != nil {
			return false
		}
		bar.Show(fmt.Sprintf("%s: shrinking seed %d, try %d: %s", r.Scenario, s.Seed, tries, count(len(candidate.Faults), "fault")))
		if os.WriteFile(trial.Name(), candidate.Marshal(), 0o600) != nil {
			return false
		}
		v, err := p.play(ctx, trial.Name(), candidate.Seed)
		return err == nil && v.of(r.Failed[0].by) != ""
	}, maxShrink)
	bar.End()
	name := fmt.Sprintf("%s-seed%d.yaml", strings.TrimSuffix(r.Scenario, filepath.Ext(r.Scenario)), s.Seed)
	return name, os.WriteFile(name, append(headOf(name, r), small.Marshal()...), 0o644)
}

// headOf is the comment that the smallest scenario begins with.
func headOf(name string, r swept) []byte {
	f := r.Failed[0]
	return fmt.Appendf(nil, "# Left of %s by 'selvage sim sweep': it fails in the same way. Of the whole, seed %d failed with\n"+
		"#   %s\n"+
		"# Play it again:                                'selvage sim run %s --trace'\n"+
		"# Play it again, the same each time, if slower: 'selvage sim replay %s --trace'\n",
		r.Scenario, f.Seed, strings.Join(strings.Fields(f.Why), " "), name, name)
}
