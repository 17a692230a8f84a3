package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/spf13/cobra"

	"selvage/simulator"
	page "selvage/simulator/report"
	"selvage/simulator/scenario"
)

// playing is what commands that play a scenario share: what is wanted of it besides its result.
type playing struct {
	seed   uint64
	trace  bool
	report string // a file
	window string // FROM..TO
}

func (p *playing) flags(c *cobra.Command) {
	c.Flags().Uint64Var(&p.seed, "seed", 0, "in place of the scenario's")
	c.Flags().BoolVar(&p.trace, "trace", false, "print every event on standard error")
	c.Flags().StringVar(&p.report, "report", "", "write what happened to this file, as one HTML page that needs nothing else")
	c.Flags().StringVar(&p.window, "window", "", "record the messages between nodes from then to then, as 20s..30s, for --report and --trace")
}

// play plays the scenario in a file with engines, by name, and prints how it went.
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
		return usage("--report is of one engine")
	}
	o := simulator.Options{Record: p.report != ""}
	if p.window != "" {
		if o.Window, err = parseWindow(p.window); err != nil {
			return err
		}
	}
	for _, e := range engines { // before any plays for minutes
		if err := e.explain(s, e.ready(s)); err != nil {
			return err
		}
	}
	if err := p.checkReport(); err != nil {
		return err
	}
	gologshim.SetDefaultHandler(slog.DiscardHandler) // libp2p is alarmed by what a story does to it
	runs, err := p.playAll(c.Context(), env, engines, s, o, p.again(c, file, s.Seed))
	if perr := printRuns(env, runs, len(engines) > 1); err == nil {
		err = perr
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(runs, func(r simulator.Result) bool { return !r.OK }) {
		return hinted(errors.New("a check failed"), "--report FILE.html and --trace show what happened")
	}
	return nil
}

// playAll plays a scenario with one engine after the other. When one cannot go on it returns the error with what was played
// until then: that story too, as far as it went.
func (p *playing) playAll(ctx context.Context, env *environment, engines []engine, s scenario.Scenario, o simulator.Options, again string) ([]simulator.Result, error) {
	var runs []simulator.Result
	for _, e := range engines {
		r, err := p.playWith(ctx, env, e, s, o)
		if r.Record != nil {
			if werr := p.writeReport(s, r, again); err == nil {
				err = werr
			}
		}
		if r.Nodes > 0 { // else it did not begin
			runs = append(runs, r)
		}
		if err != nil {
			return runs, err
		}
	}
	return runs, nil
}

// playWith plays a scenario with one engine.
func (p *playing) playWith(ctx context.Context, env *environment, e engine, s scenario.Scenario, o simulator.Options) (simulator.Result, error) {
	bar := newProgress(env.err)
	o.Progress = func(p simulator.Progress) { bar.Show(progressText(p)) }
	r, err := e.run(ctx, s, o)
	bar.End()
	if p.trace {
		for _, e := range r.Events {
			fmt.Fprintf(env.err, "%10.3f  %-14s %s\n", e.At.Seconds(), e.On, eventText(e))
		}
	}
	return r, e.explain(s, err)
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

// again is the command that plays the scenario once more.
func (p *playing) again(c *cobra.Command, file string, seed uint64) string {
	if strings.ContainsFunc(file, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		file = "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	text := fmt.Sprintf("%s %s --seed %d", c.CommandPath(), file, seed)
	if e := c.Flags().Lookup("engine"); e != nil && e.Changed {
		text += " --engine " + strings.Trim(e.Value.String(), "[]")
	}
	if p.window != "" {
		text += " --window " + p.window
	}
	return text
}

// eventText is an event without when and where it was.
func eventText(e simulator.Event) string {
	text := e.What
	if e.Peer != "" {
		text += " " + e.Peer
	}
	if e.Bytes > 0 {
		text += " " + count(e.Bytes, "byte")
	}
	return strings.Join(strings.Fields(text+" "+e.Text), " ")
}

// checkReport returns why the report cannot be written. It looks before the story is played, which can take minutes, and leaves
// nothing behind: the story may be interrupted.
func (p *playing) checkReport() error {
	if p.report == "" {
		return nil
	}
	if _, err := os.Stat(p.report); errors.Is(err, fs.ErrNotExist) {
		defer os.Remove(p.report)
	}
	f, err := os.OpenFile(p.report, os.O_WRONLY|os.O_CREATE, reportMode)
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return f.Close()
}

// reportMode is that of what people look at.
const reportMode = 0o644

func (p *playing) writeReport(s scenario.Scenario, r simulator.Result, again string) error {
	var b bytes.Buffer
	if err := page.Write(&b, s, r, again); err != nil {
		return err
	}
	return os.WriteFile(p.report, b.Bytes(), reportMode)
}
