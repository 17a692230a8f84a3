package main

import (
	"fmt"

	"selvage/simulator"
)

// compared is how the runs of one scenario differ: each against the first.
type compared struct {
	Against string        `json:"against"` // the first one's engine
	Runs    []comparedRun `json:"runs"`    // the others
}

// comparedRun is what a run measured as a share of what the first did; 0 if that is nothing.
type comparedRun struct {
	Engine   string           `json:"engine"`
	Makespan float64          `json:"makespan_ratio"`
	Uplinks  []comparedUplink `json:"uplinks"`
}

type comparedUplink struct {
	Site string  `json:"site"`
	Down float64 `json:"down_ratio"`
	Up   float64 `json:"up_ratio"`
}

// compare sets runs of one scenario side by side.
func compare(runs []simulator.Result) compared {
	first := runs[0]
	c := compared{Against: first.Engine, Runs: []comparedRun{}}
	for _, r := range runs[1:] {
		o := comparedRun{Engine: r.Engine, Makespan: ratio(r.MakespanSeconds, first.MakespanSeconds)}
		for i, u := range r.Uplinks {
			of := first.Uplinks[i]
			o.Uplinks = append(o.Uplinks, comparedUplink{u.Site, ratio(float64(u.DownBytes), float64(of.DownBytes)), ratio(float64(u.UpBytes), float64(of.UpBytes))})
		}
		c.Runs = append(c.Runs, o)
	}
	return c
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// printRuns prints one result, or several and how they compare; nothing if there is none. Several were asked for, though the last
// may be missing.
func printRuns(env *environment, runs []simulator.Result, several bool) error {
	switch {
	case len(runs) == 0:
		return nil
	case env.json() && !several:
		return env.printJSON(runs[0])
	case env.json():
		return env.printJSON(map[string]any{"runs": runs, "compare": compare(runs)})
	}
	for _, r := range runs {
		if several {
			fmt.Fprintf(env.out, "engine %s\n\n", r.Engine)
		}
		if err := printResult(env, r); err != nil {
			return err
		}
		if several {
			fmt.Fprintln(env.out)
		}
	}
	if len(runs) == 1 {
		return nil
	}
	return printCompared(env, runs)
}

func printCompared(env *environment, runs []simulator.Result) error {
	header := []string{"FIGURE"}
	figures := make([][]string, 1+2*len(runs[0].Uplinks))
	figures[0] = []string{"makespan"}
	for i, u := range runs[0].Uplinks {
		figures[1+2*i], figures[2+2*i] = []string{u.Site + " down"}, []string{u.Site + " up"}
	}
	for i, r := range runs {
		header = append(header, r.Engine)
		figures[0] = append(figures[0], fmt.Sprintf("%.1f s", r.MakespanSeconds))
		for j, u := range r.Uplinks {
			figures[1+2*j], figures[2+2*j] = append(figures[1+2*j], size(u.DownBytes)), append(figures[2+2*j], size(u.UpBytes))
		}
		if i == 0 {
			continue
		}
		header = append(header, "RATIO")
		c := compare([]simulator.Result{runs[0], r}).Runs[0]
		figures[0] = append(figures[0], fmt.Sprintf("%.2f", c.Makespan))
		for j, u := range c.Uplinks {
			figures[1+2*j], figures[2+2*j] = append(figures[1+2*j], fmt.Sprintf("%.2f", u.Down)), append(figures[2+2*j], fmt.Sprintf("%.2f", u.Up))
		}
	}
	return env.table(header, figures)
}
