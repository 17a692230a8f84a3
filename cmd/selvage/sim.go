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
	"selvage/simulator/netns/lab"
	"selvage/simulator/replay"
	page "selvage/simulator/report"
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
	c.AddCommand(newSimRun(env), newSimReplay(env), newSimSweep(env), newSimSchema(env))
	return c
}

// playing is what commands that play a scenario share.
type playing struct {
	seed    uint64
	between string // the window, as it is written
	simOptions
}

// simOptions says what is wanted of a story besides its result.
type simOptions struct {
	trace  bool
	report string         // a file
	window simulator.Span // when messages are recorded
	again  string         // the command that plays it again
}

func (p *playing) flags(c *cobra.Command) {
	c.Flags().Uint64Var(&p.seed, "seed", 0, "in place of the scenario's")
	c.Flags().BoolVar(&p.trace, "trace", false, "print every event on standard error")
	c.Flags().StringVar(&p.report, "report", "", "write what happened to this file, as one HTML page that needs nothing else")
	c.Flags().StringVar(&p.between, "window", "", "record the messages between nodes from then to then, as 20s..30s, for --report and --trace")
}

// play plays the scenario in a file with engines, by name.
func (p *playing) play(c *cobra.Command, env *environment, file string, names ...string) error {
	s, err := readScenario(file)
	if err != nil {
		return err
	}
	if c.Flags().Changed("seed") {
		s.Seed = p.seed
	}
	engines, err := pickEngines(names)
	if err != nil {
		return err
	}
	if p.report != "" && len(engines) > 1 {
		return usage("--report is of one engine's story: name one only")
	}
	if p.between != "" {
		if p.window, err = parseWindow(p.between); err != nil {
			return err
		}
	}
	p.again = playAgain(file, s.Seed, names, p.between)
	return simRun(c.Context(), env, s, engines, p.simOptions)
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

// playAgain is the command that plays a story again.
func playAgain(file string, seed uint64, engines []string, window string) string {
	if strings.ContainsFunc(file, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		file = "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	c := fmt.Sprintf("selvage sim run %s --seed %d", file, seed)
	if name := strings.Join(engines, ","); name != "native" {
		c += " --engine " + name
	}
	if window != "" {
		c += " --window " + window
	}
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
	c.Flags().StringSliceVar(&names, "engine", []string{"native"}, "what plays it: one of "+engineNames()+", or several as native,netns")
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
			"with one trace_sha256 (-o json), for as long as " + replay.Guest + " is the same. The first time takes longer,\n" +
			"since it has to be compiled to machine code. A story with a window is another than without, for nodes say more\n" +
			"in it, which takes time. Exit code 1 if a check fails.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.play(c, env, args[0], "replay") },
	}
	p.flags(c)
	return c
}

func readScenario(file string) (scenario.Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return scenario.Scenario{}, err
	}
	return scenario.Parse(file, data, simulator.Invariants())
}

// simRun plays a scenario with each engine, and prints how it went.
func simRun(ctx context.Context, env *environment, s scenario.Scenario, engines []engine, o simOptions) error {
	gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p is alarmed by what a story does to it
	var runs []simulator.Result
	ok := true
	for _, e := range engines {
		r, err := simPlay(ctx, env, s, e, o)
		if err != nil {
			return err
		}
		ok = ok && r.OK
		runs = append(runs, r)
	}
	if err := printRuns(env, runs); err != nil {
		return err
	}
	if !ok {
		return hinted(errors.New("a check failed"), "--report FILE.html and --trace show what happened")
	}
	return nil
}

// simPlay plays a scenario with one engine.
func simPlay(ctx context.Context, env *environment, s scenario.Scenario, e engine, o simOptions) (simulator.Result, error) {
	bar := newProgress(env.err)
	r, err := e.run(ctx, s, simulator.Options{Record: o.report != "", Window: o.window,
		Progress: func(p simulator.Progress) { bar.Show(progressText(p)) }})
	bar.End()
	if o.trace {
		for _, e := range r.Events {
			fmt.Fprintf(env.err, "%10.3f  %-14s %s\n", e.At.Seconds(), e.On, eventText(e))
		}
	}
	if r.Record != nil {
		if err := writeReport(o, s, r); err != nil {
			return r, err
		}
	}
	var u *lab.Unable
	switch {
	case errors.As(err, &u):
		return r, hinted(fmt.Errorf("play %s with %s: %w", nameOf(s), e.name, err), u.Hint)
	case err != nil:
		return r, fmt.Errorf("play %s: %w", nameOf(s), err)
	}
	return r, nil
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
	_, err := fmt.Fprintf(env.out, "\n%d nodes, seed %d: %.1f %s s in %.1f s; last deployment after %.1f s, %.1f s at best\n",
		r.Nodes, r.Seed, r.VirtualSeconds, time, r.WallSeconds, r.MakespanSeconds, r.BoundSeconds)
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
