package native

import (
	"fmt"

	"selvage/simulator"
	"selvage/simulator/network"
	"selvage/simulator/scenario"
)

// Begin implements simulator.Stage. What ends a crash is the machine's start.
func (w *world) Begin(f scenario.Fault) (end func() error, err error) {
	switch f.Kind {
	case scenario.Partition:
		return w.partition(f.Groups), nil
	case scenario.Cut:
		return heal(w.net.Cut(w.place(f.From), w.place(f.To), true)), nil
	case scenario.Isolate:
		return heal(w.net.Cut(w.place(f.On), network.Anywhere, false)), nil
	case scenario.Crash, scenario.PowerCut:
		return w.crash(f.On, f.Kind == scenario.PowerCut), nil
	case scenario.Clock:
		return w.turnClocks(f), nil
	case scenario.Pause, scenario.Suspend:
		return w.standStill(f), nil
	case scenario.SlowDisk:
		return w.slowDisks(f), nil
	case scenario.DiskFull:
		return w.count(f.On, func(m *machine, by int32) { m.full.Add(by) }), nil
	case scenario.Poison:
		return w.count(f.On, func(m *machine, by int32) { m.poison.Add(by) }), nil
	case scenario.Rot:
		return w.rot(f.On)
	case scenario.Forge:
		return w.count(f.On, func(m *machine, by int32) { m.forge.Add(by) }), nil
	case scenario.Degrade:
		return w.degrade(f)
	case scenario.Restore:
		return w.restore(f), nil
	}
	return nil, fmt.Errorf("no fault is called %q", f.Kind)
}

// place returns a node's host or a site, which the scenario has checked to be there.
func (w *world) place(name string) network.Place {
	if m := w.byName[name]; m != nil {
		return m.host
	}
	return w.net.Site(name)
}

func heal(cuts ...*network.Cut) func() error {
	return func() error {
		for _, c := range cuts {
			c.Heal()
		}
		return nil
	}
}

// partition cuts the groups from each other, both ways.
func (w *world) partition(groups [][]string) func() error {
	var cuts []*network.Cut
	for i, a := range groups {
		for _, b := range groups[i+1:] {
			for _, x := range a {
				for _, y := range b {
					cuts = append(cuts, w.net.Cut(w.place(x), w.place(y), false))
				}
			}
		}
	}
	return heal(cuts...)
}

// crash kills the machines of a place at once; they start again together.
func (w *world) crash(place string, power bool) func() error {
	var gone []*machine
	for _, m := range w.placed(place) {
		if m.kill(power, w.rand) {
			gone = append(gone, m)
		}
	}
	return func() error {
		for _, m := range gone {
			m.reboot()
		}
		return nil
	}
}

// turnClocks sets clocks wrong. In the end they are right again, by another jump, but for what other faults do.
func (w *world) turnClocks(f scenario.Fault) func() error {
	var ends []func()
	for _, m := range w.placed(f.On) {
		ends = append(ends, m.clock.set(f.Jump, f.Drift))
	}
	return func() error {
		for _, end := range ends {
			end()
		}
		return nil
	}
}

// count has a fault on while any of those that ask for it is.
func (w *world) count(place string, add func(*machine, int32)) func() error {
	machines := w.placed(place)
	for _, m := range machines {
		add(m, 1)
	}
	return func() error {
		for _, m := range machines {
			add(m, -1)
		}
		return nil
	}
}

func (w *world) degrade(f scenario.Fault) (func() error, error) {
	site := w.net.Site(f.On)
	return w.degraded.Begin(w.scenario, f, func(u scenario.Uplink) error { return site.SetUplink(simulator.Links(u)) })
}

// BackUp implements simulator.Stage.
func (w *world) BackUp(f scenario.Fault) error {
	for _, m := range w.placed(f.On) {
		if err := m.backUp(f.Backup); err != nil {
			return fmt.Errorf("back up %s: %w", m, err)
		}
	}
	return nil
}

// restore stops the machines of a place; in the end they go on from their backups.
func (w *world) restore(f scenario.Fault) func() error {
	machines := w.placed(f.On)
	for _, m := range machines {
		m.kill(false, w.rand)
	}
	return func() error {
		for _, m := range machines {
			if err := m.restore(f.Backup); err != nil {
				return fmt.Errorf("restore %s: %w", m, err)
			}
			m.reboot()
		}
		return nil
	}
}
