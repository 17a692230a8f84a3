package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/spf13/cobra"

	"selvage/simulator"
	"selvage/simulator/native"
	page "selvage/simulator/report"
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
	c.AddCommand(newSimRun(env), newSimSweep(env), newSimSchema(env))
	return c
}

func newSimRun(env *environment) *cobra.Command {
	var seed uint64
	var o simOptions
	var window string
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
			if window != "" {
				if o.window, err = parseWindow(window); err != nil {
					return err
				}
			}
			o.again = playAgain(args[0], s.Seed, window)
			return simRun(c.Context(), env, s, o)
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 0, "in place of the scenario's")
	c.Flags().BoolVar(&o.trace, "trace", false, "print every event on standard error")
	c.Flags().StringVar(&o.report, "report", "", "write what happened to this file, as one HTML page that needs nothing else")
	c.Flags().StringVar(&window, "window", "", "record the messages between nodes from then to then, as 20s..30s, for --report and --trace")
	return c
}

// simOptions says what is wanted of a story besides its result.
type simOptions struct {
	trace  bool
	report string // a file
	again  string // the command that plays it again
	window simulator.Span
}

// parseWindow reads FROM..TO.
func parseWindow(text string) (simulator.Span, error) {
	from, to, _ := strings.Cut(text, "..")
	a, errFrom := time.ParseDuration(from)
	b, errTo := time.ParseDuration(to)
	if errFrom != nil || errTo != nil || a < 0 || b <= a {
		return simulator.Span{}, usage("--window %q: want two times of the story, as 20s..30s", text)
	}
	return simulator.Span{From: a, To: b}, nil
}

func playAgain(file string, seed uint64, window string) string {
	if strings.ContainsFunc(file, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		file = "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	c := fmt.Sprintf("selvage sim run %s --seed %d", file, seed)
	if window != "" {
		c += " --window " + window
	}
	return c
}

func readScenario(file string) (scenario.Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return scenario.Scenario{}, err
	}
	return scenario.Parse(file, data, simulator.Invariants())
}

func simRun(ctx context.Context, env *environment, s scenario.Scenario, o simOptions) error {
	gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p is alarmed by what a story does to it
	bar := newProgress(env.err)
	r, err := native.Run(ctx, s, simulator.Options{Record: o.report != "", Window: o.window,
		Progress: func(p simulator.Progress) { bar.Show(progressText(p)) }})
	bar.End()
	if o.trace {
		for _, e := range r.Events {
			fmt.Fprintf(env.err, "%10.3f  %-14s %s\n", e.At.Seconds(), e.On, eventText(e))
		}
	}
	if r.Record != nil {
		if err := writeReport(o, s, r); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("play %s: %w", nameOf(s), err)
	}
	if err := printResult(env, r); err != nil {
		return err
	}
	if !r.OK {
		return hinted(errors.New("a check failed"), "--report FILE.html and --trace show what happened")
	}
	return nil
}

// eventText is an event without when and where it was.
func eventText(e simulator.Event) string {
	text := e.What
	if e.Peer != "" {
		text += " " + e.Peer
	}
	if e.Bytes > 0 {
		text += fmt.Sprintf(" %d bytes", e.Bytes)
	}
	return strings.Join(strings.Fields(text+" "+e.Text), " ")
}

func writeReport(o simOptions, s scenario.Scenario, r simulator.Result) error {
	var b bytes.Buffer
	if err := page.Write(&b, s, r, o.again); err != nil {
		return err
	}
	return os.WriteFile(o.report, b.Bytes(), 0o644) // what people look at
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
