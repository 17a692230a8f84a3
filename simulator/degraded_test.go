package simulator

import (
	"slices"
	"testing"

	"selvage/simulator/scenario"
)

// TestDegradedOverlaps: each fault ends by itself, and what began last counts.
func TestDegradedOverlaps(t *testing.T) {
	var d Degraded
	var got []int64 // each rate that was set
	s := scenario.Scenario{Sites: []scenario.Site{{Name: "a", Uplink: scenario.Uplink{Up: 1}}, {Name: "b", Uplink: scenario.Uplink{Up: 2}}}}
	begin := func(site string, up int64) func() {
		end, err := d.Begin(s, scenario.Fault{Kind: scenario.Degrade, On: site, Link: scenario.Uplink{Up: up}}, func(u scenario.Uplink) error {
			got = append(got, u.Up)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := end(); err != nil {
				t.Fatal(err)
			}
		}
	}
	long, other := begin("a", 10), begin("b", 20)
	short := begin("a", 11)
	short()
	under, over := begin("a", 12), begin("a", 13)
	under()
	other()
	over()
	long()
	if want := []int64{10, 20, 11, 10, 12, 13, 2, 10, 1}; !slices.Equal(got, want) {
		t.Errorf("set to %d, want %d", got, want)
	}
}
