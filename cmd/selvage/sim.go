package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/spf13/cobra"

	"selvage/simulator"
	"selvage/simulator/native"
	"selvage/simulator/scenario"
)

func newSim(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "sim",
		Short: "Rehearse a rollout on a simulated fleet, under cuts, crashes and drift",
		Long: "Rehearse a rollout on a simulated fleet: the nodes are real, their network, disks and clocks are not,\n" +
			"and time is virtual. A scenario file says who is there, what goes wrong and what has to hold.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("sim what? try 'selvage sim run SCENARIO.yaml'")
		},
	}
	c.AddCommand(newSimRun(env), newSimSweep(env), newSimSchema(env), newSimList(env), newSimMutants(env))
	return c
}

func newSimRun(env *environment) *cobra.Command {
	var seed uint64
	var trace bool
	c := &cobra.Command{
		Use:   "run SCENARIO.yaml",
		Short: "Play a scenario; exit code 1 if a check fails",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := readScenario(args[0])
			if err != nil {
				return err
			}
			if c.Flags().Changed("seed") {
				s.Seed = seed
			}
			return simRun(c.Context(), env, s, trace)
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "in place of the scenario's")
	c.Flags().BoolVar(&trace, "trace", false, "print every event on standard error")
	return c
}

func readScenario(file string) (scenario.Scenario, error) {
	data, err := os.ReadFile(file)
	if shipped, ok := shippedScenario(file); ok && errors.Is(err, fs.ErrNotExist) {
		data, err = shipped, nil
	}
	if err != nil {
		return scenario.Scenario{}, err
	}
	return scenario.Parse(file, data, simulator.Invariants())
}

func simRun(ctx context.Context, env *environment, s scenario.Scenario, trace bool) error {
	gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p is alarmed by what a story does to it
	bar := newProgress(env.err)
	r, err := native.Run(ctx, s, func(p simulator.Progress) { bar.Show(progressText(p)) })
	bar.End()
	if trace {
		for _, e := range r.Events {
			fmt.Fprintf(env.err, "%10.3f  %-14s %s\n", e.At.Seconds(), e.On, strings.Join(strings.Fields(e.What+" "+e.Peer+" "+e.Text), " "))
		}
	}
	if err != nil {
		return fmt.Errorf("play %s: %w", nameOf(s), err)
	}
	if err := printResult(env, r); err != nil {
		return err
	}
	if !r.OK {
		return hinted(errors.New("a check failed"), "--trace shows what happened")
	}
	return nil
}

func nameOf(s scenario.Scenario) string {
	if s.Name == "" {
		return "the scenario"
	}
	return fmt.Sprintf("%q", s.Name)
}

func progressText(p simulator.Progress) string {
	text := fmt.Sprintf("%d%% %s of %s, %d nodes up", percent(int64(p.At), int64(p.Of)), p.At.Round(time.Second), p.Of.Round(time.Second), p.Nodes)
	if p.Text != "" {
		text += ", waiting: " + p.Text
	}
	return text
}

func printResult(env *environment, r simulator.Result) error {
	if env.json() {
		return env.printJSON(r)
	}
	var rows [][]string
	for _, c := range r.Checks {
		word := "ok"
		if !c.OK {
			word = "FAILED"
		}
		rows = append(rows, []string{word, c.Kind, c.Name, c.Detail})
	}
	if err := env.table([]string{"RESULT", "KIND", "CHECK", "DETAIL"}, rows); err != nil {
		return err
	}
	fmt.Fprintln(env.out)
	rows = nil
	for _, u := range r.Uplinks {
		rows = append(rows, []string{u.Site, size(u.DownBytes), size(u.UpBytes), size(u.BlobBytes), size(u.IdealBytes)})
	}
	if err := env.table([]string{"SITE", "DOWN", "UP", "BLOB BYTES", "IDEAL"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.out, "\n%d nodes, seed %d: %.1f virtual s in %.1f s; last deployment after %.1f s, %.1f s at best\n",
		r.Nodes, r.Seed, r.VirtualSeconds, r.WallSeconds, r.MakespanSeconds, r.BoundSeconds)
	return err
}

func newSimSchema(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of scenario files",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.out.Write(scenario.Schema())
			return err
		},
	}
}
