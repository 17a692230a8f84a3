package simulator

import (
	"slices"

	"selvage/simulator/scenario"
)

// Degraded knows which faults go on that change the uplinks of sites: of those that overlap at one site, what began last counts. The
// zero value knows of none. A stage's goroutine alone uses it.
type Degraded struct{ faults []*scenario.Fault }

// Begin sets the uplink of a fault's site, and returns what ends the fault. Both call set with what the uplink is to be from now on, if
// that is another.
func (d *Degraded) Begin(s scenario.Scenario, f scenario.Fault, set func(scenario.Uplink) error) (end func() error, err error) {
	if err := set(f.Link); err != nil {
		return nil, err
	}
	d.faults = append(d.faults, &f)
	return func() error {
		last := d.last(f.On)
		d.faults = slices.DeleteFunc(d.faults, func(o *scenario.Fault) bool { return o == &f })
		if last != &f {
			return nil
		}
		if next := d.last(f.On); next != nil {
			return set(next.Link)
		}
		i := slices.IndexFunc(s.Sites, func(o scenario.Site) bool { return o.Name == f.On })
		return set(s.Sites[i].Uplink)
	}, nil
}

// last is the fault that counts at a site; nil if its uplink is its own.
func (d *Degraded) last(site string) *scenario.Fault {
	for _, f := range slices.Backward(d.faults) {
		if f.On == site {
			return f
		}
	}
	return nil
}
