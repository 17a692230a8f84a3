package netns

import (
	"errors"
	"fmt"

	"selvage/simulator"
	"selvage/simulator/netns/lab"
	"selvage/simulator/scenario"
)

// Begin implements simulator.Stage. What ends a crash is the machine's start.
func (st *stage) Begin(f scenario.Fault) (end func() error, err error) {
	switch f.Kind {
	case scenario.Partition:
		return st.partition(f.Groups)
	case scenario.Cut:
		return st.cut(nil, st.place(f.From), st.place(f.To), true)
	case scenario.Isolate:
		return st.cut(nil, st.place(f.On), lab.Anywhere, false)
	case scenario.Crash:
		return st.crash(f.On), nil
	case scenario.Pause:
		return st.pause(f.On), nil
	case scenario.Suspend:
		return st.suspend(f.On)
	case scenario.DiskFull:
		return st.fill(f.On)
	case scenario.Degrade:
		return st.degrade(f)
	case scenario.Restore:
		return st.restore(f), nil
	}
	return nil, checkFault(f)
}

// place returns a node's host or a site, which the scenario has checked to be there.
func (st *stage) place(name string) lab.Place {
	for _, m := range st.machines {
		if m.String() == name {
			return m.host
		}
	}
	return st.lab.Site(name)
}

// cut adds a cut to others that end with it.
func (st *stage) cut(others func() error, from, to lab.Place, oneWay bool) (heal func() error, err error) {
	c, err := st.lab.Cut(from, to, oneWay)
	if err != nil {
		return nil, err
	}
	if others == nil {
		return c.Heal, nil
	}
	return func() error { return errors.Join(others(), c.Heal()) }, nil
}

// partition cuts the groups from each other, both ways.
func (st *stage) partition(groups [][]string) (heal func() error, err error) {
	for i, a := range groups {
		for _, b := range groups[i+1:] {
			for _, x := range a {
				for _, y := range b {
					if heal, err = st.cut(heal, st.place(x), st.place(y), false); err != nil {
						return nil, err
					}
				}
			}
		}
	}
	return heal, nil
}

// crash kills the nodes of a place at once; they start again together.
func (st *stage) crash(place string) func() error {
	var gone []*machine
	for _, m := range st.placed(place) {
		if m.kill() {
			gone = append(gone, m)
		}
	}
	return func() error {
		var errs []error
		for _, m := range gone {
			errs = append(errs, m.start())
		}
		return errors.Join(errs...)
	}
}

// pause stops the processes of a place. What comes for them waits in their sockets, as far as there is room.
func (st *stage) pause(place string) func() error {
	machines := st.placed(place)
	for _, m := range machines {
		m.hold(1)
	}
	return func() error {
		for _, m := range machines {
			m.hold(-1)
		}
		return nil
	}
}

// suspend stops the processes of a place, and what comes for them is lost.
func (st *stage) suspend(place string) (end func() error, err error) {
	end = st.pause(place)
	for _, m := range st.placed(place) {
		if end, err = st.cut(end, m.host, lab.Anywhere, false); err != nil {
			return nil, err
		}
	}
	return end, nil
}

// fill has disks full while any of the faults is on that ask for it.
func (st *stage) fill(place string) (end func() error, err error) {
	machines := st.placed(place)
	for _, m := range machines {
		if m.full++; m.full == 1 {
			if err := fillDisk(m.dir); err != nil {
				return nil, err
			}
		}
	}
	return func() error {
		var errs []error
		for _, m := range machines {
			if m.full--; m.full == 0 {
				errs = append(errs, emptyDisk(m.dir))
			}
		}
		return errors.Join(errs...)
	}, nil
}

func (st *stage) degrade(f scenario.Fault) (end func() error, err error) {
	site := st.lab.Site(f.On)
	return st.degraded.Begin(st.scenario, f, func(u scenario.Uplink) error { return site.SetUplink(simulator.Links(u)) })
}

// BackUp implements simulator.Stage.
func (st *stage) BackUp(f scenario.Fault) error {
	for _, m := range st.placed(f.On) {
		if err := m.backUp(f.Backup); err != nil {
			return fmt.Errorf("back up %s: %w", m, err)
		}
	}
	return nil
}

// restore stops the nodes of a place; in the end they go on from their backups.
func (st *stage) restore(f scenario.Fault) func() error {
	machines := st.placed(f.On)
	for _, m := range machines {
		m.kill()
	}
	return func() error {
		for _, m := range machines {
			if err := m.restore(f.Backup); err != nil {
				return fmt.Errorf("restore %s: %w", m, err)
			}
			if err := m.start(); err != nil {
				return err
			}
		}
		return nil
	}
}
