package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"selvage/simulator"
	"selvage/simulator/replay"
	"selvage/simulator/scenario"
)

func newSim(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "sim",
		Short: "Rehearse a rollout on a simulated fleet, under cuts, crashes and drift",
		Long: "Rehearse a rollout on a simulated fleet: a scenario file says who is there, what goes wrong and what has\n" +
			"to hold. With the native engine the nodes are real, their network, disks and clocks are not, and time is\n" +
			"virtual. With netns they are processes in network namespaces of this machine, in real time.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("sim what? try 'selvage sim run SCENARIO.yaml'")
		},
	}
	c.AddCommand(newSimRun(env), newSimReplay(env), newSimSweep(env), newSimMutants(env), newSimList(env), newSimSchema(env))
	return c
}

func newSimRun(env *environment) *cobra.Command {
	var p playing
	var names []string
	c := &cobra.Command{
		Use:   "run SCENARIO.yaml",
		Short: "Play a scenario; exit code 1 if a check fails",
		Long: "Play a scenario with an engine, or with several, one after the other: native, the default, in virtual\n" +
			"time and fast, though two runs with one seed are alike rather than equal; replay, which is 'selvage sim replay';\n" +
			"netns in network namespaces of this machine, as root and in real time. What several made of it is\n" +
			"compared: what they measured, as shares of the first.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.play(c, env, args[0], names...) },
	}
	c.Flags().StringSliceVar(&names, "engine", []string{nativeEngine}, "what plays it: one of "+engineNames()+", or several as native,netns")
	p.flags(c)
	return c
}

func newSimReplay(env *environment) *cobra.Command {
	var p playing
	c := &cobra.Command{
		Use:   "replay SCENARIO.yaml",
		Short: "Play a scenario so that one seed always tells one story, byte for byte",
		Long: "Play a scenario with the engine replay: the simulator compiled to WASM, with all randomness and time made\n" +
			"from the seed. Some ten times slower than 'selvage sim run', but one seed tells one story, whatever the machine,\n" +
			"with one trace_sha256, for as long as " + replay.Guest + " is the same. The first time takes longer,\n" +
			"since it has to be compiled to machine code. A story with a --window is another than without, for nodes say more\n" +
			"in it, which takes time. Exit code 1 if a check fails.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.play(c, env, args[0], "replay") },
	}
	p.flags(c)
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

func nameOf(s scenario.Scenario) string {
	if s.Name == "" {
		return "the scenario"
	}
	return fmt.Sprintf("%q", s.Name)
}

func progressText(p simulator.Progress) string {
	text := fmt.Sprintf("%d%% %s of %s, %s up", percent(int64(p.At), int64(p.Of)), p.At.Round(time.Second), p.Of.Round(time.Second), count(p.Nodes, "node"))
	if p.Text != "" {
		text += ", waiting: " + p.Text
	}
	return text
}

func printResult(env *environment, r simulator.Result) error {
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
	time := "virtual"
	if r.Engine == "netns" {
		time = "real"
	}
	_, err := fmt.Fprintf(env.out, "\n%s, seed %d: %.1f %s s in %.1f s; last deployment fetched after %.1f s, running after %.1f s, %.1f s at best\ntrace_sha256 %s\n",
		count(r.Nodes, "node"), r.Seed, r.VirtualSeconds, time, r.WallSeconds, r.FetchedSeconds, r.MakespanSeconds, r.BoundSeconds, r.TraceSHA256)
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
