package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

const (
	// askEvery is how often nodes are asked for what they did without a word, and restBetween the least time
	// from one time to the next: many nodes answer out of few cores.
	askEvery    = 500 * time.Millisecond
	restBetween = 200 * time.Millisecond
	// startLimit bounds how long a node may take until it answers.
	startLimit = 60 * time.Second
)

// stage is a lab, and a machine for each of its hosts. One goroutine calls it; nodes' logs call changed
// and the trace from theirs.
type stage struct {
	ctx      context.Context // of the story; a stage lives no longer
	cfg      Config
	scenario scenario.Scenario
	trace    *simulator.Trace
	progress func(simulator.Progress)
	log      string // the level at which nodes log
	lab      *lab.Lab
	dir      string // of all that is kept on disk
	key      string // the operator's, a file
	machines []*machine
	degraded simulator.Degraded

	said    chan struct{} // holds one: a node logged something
	changed chan struct{}
	quit    chan struct{} // ends the clock
	gone    chan struct{}
}

var _ simulator.Stage = (*stage)(nil)

// newStage makes the lab; nobody is there yet.
func newStage(ctx context.Context, cfg Config, s scenario.Scenario, o simulator.Options) (*stage, error) {
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	st := &stage{ctx: ctx, cfg: cfg, scenario: s, trace: simulator.NewTrace(), progress: o.Progress, log: logLevel(o), lab: l,
		said: make(chan struct{}, 1), changed: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{})}
	go st.clock()
	if err := st.build(); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// logLevel has nodes say more from the beginning, if there is a window at all; the trace leaves out what is not in it.
func logLevel(o simulator.Options) string {
	if o.Window.To > 0 {
		return "debug"
	}
	return "info"
}

func (st *stage) build() (err error) {
	if st.dir, err = makeDir(); err != nil {
		return err
	}
	st.key = filepath.Join(st.dir, "operator.key")
	for _, site := range st.scenario.Sites {
		if _, err := st.lab.AddSite(site.Name, simulator.SiteConfig(site)); err != nil {
			return err
		}
		for i := range site.Nodes {
			if _, err := st.addMachine(site.Name, fmt.Sprint("n", i)); err != nil {
				return err
			}
			if err := st.ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (st *stage) addMachine(site, name string) (*machine, error) {
	host, err := st.lab.Site(site).AddHost(name)
	if err != nil {
		return nil, err
	}
	m, err := newMachine(st, site, name, host, filepath.Join(st.dir, fmt.Sprint("n", len(st.machines))))
	if err != nil {
		return nil, fmt.Errorf("node %s/%s: %w", site, name, err)
	}
	st.machines = append(st.machines, m)
	return m, nil
}

// clock says that something may have changed: when a node has said something, and every now and then.
func (st *stage) clock() {
	defer close(st.gone)
	for {
		rest := time.NewTimer(restBetween)
		select {
		case <-rest.C:
		case <-st.quit:
			return
		}
		next := time.NewTimer(askEvery - restBetween)
		select {
		case <-next.C:
		case <-st.said:
		case <-st.quit:
			return
		}
		tell(st.changed)
	}
}

// tell puts a value into a channel that holds one. It never blocks.
func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is about to be looked at
	}
}

// Changed implements simulator.Stage.
func (st *stage) Changed() <-chan struct{} { return st.changed }

// Machines implements simulator.Stage.
func (st *stage) Machines() []simulator.Machine {
	out := make([]simulator.Machine, len(st.machines))
	for i, m := range st.machines {
		out[i] = m
	}
	return out
}

func (st *stage) placed(place string) []*machine { return simulator.Placed(st.machines, place) }

// Traffic implements simulator.Stage.
func (st *stage) Traffic(site string) (down, up int64) {
	c, err := st.lab.Site(site).Counters()
	if err != nil {
		st.trace.Note(site, "cannot count", "%v", err)
	}
	return c.Down.Bytes, c.Up.Bytes
}

// Settle implements simulator.Stage: it waits for nodes that are starting, and asks all how they do.
func (st *stage) Settle() {
	var g errgroup.Group
	for _, m := range st.machines {
		g.Go(func() error {
			m.look(st.ctx)
			return nil
		})
	}
	_ = g.Wait() // a look has no error
}

// Found implements simulator.Stage.
func (st *stage) Found() error {
	first := st.machines[0]
	out, err := st.run(first.dir, "init", "--fleet", "sim", "--site", first.site, "--name", first.NodeName(), "-o", "json")
	if err == nil {
		err = first.enrolled(out)
	}
	if err == nil {
		err = os.Rename(filepath.Join(first.dir, "operator.key"), st.key)
	}
	if err == nil {
		err = first.start()
	}
	if err != nil {
		return err
	}
	st.Settle()
	g, ctx := errgroup.WithContext(st.ctx)
	g.SetLimit(2 * runtime.NumCPU())
	rest := st.machines[1:]
	for i, site := range st.scenario.Sites {
		ticket, err := st.ticket(site.Name, "--uses", fmt.Sprint(max(1, site.Nodes)))
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		first := ticket
		if i > 0 { // the founder is the first of its own
			if first, err = st.ticket(site.Name, "--first"); err != nil {
				return errors.Join(err, g.Wait())
			}
		}
		for _, m := range simulator.Placed(rest, site.Name) {
			mine := ticket
			if m.Name() == "n0" {
				mine = first
			}
			g.Go(func() error { return m.join(ctx, mine) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	st.Settle()
	for _, m := range st.machines {
		if m.Agent() == nil {
			return fmt.Errorf("start %s: it does not answer after %s; the last that it said: %s", m, startLimit, m.lastWords())
		}
	}
	st.trace.Begin()
	return st.ctx.Err()
}

// ticket has somebody who is up invite machines to a site.
func (st *stage) ticket(site string, more ...string) (string, error) {
	args := append([]string{"invite", "--site", site, "--key", st.key, "-o", "json"}, more...)
	for _, s := range st.scenario.Sites {
		for k, v := range s.Labels {
			if s.Name == site {
				args = append(args, "--label", k+"="+v)
			}
		}
	}
	for _, m := range st.machines {
		if m.Agent() == nil {
			continue
		}
		out, err := st.run(m.dir, args...)
		if err != nil {
			return "", err
		}
		var t struct{ Ticket string }
		return t.Ticket, json.Unmarshal(out, &t)
	}
	return "", errors.New("invite to " + site + ": no node is up")
}

// Close implements simulator.Stage.
func (st *stage) Close() error {
	var g errgroup.Group
	for _, m := range st.machines {
		g.Go(m.close)
	}
	err := g.Wait()
	close(st.quit)
	<-st.gone
	err = errors.Join(err, st.lab.Close())
	if st.dir != "" {
		err = errors.Join(err, removeDir(st.dir))
	}
	return err
}
