package native

import (
	"testing"

	"selvage/simulator"
)

// TestBudgetOfLivesThatEnded: what came down an uplink counts though the nodes that got it have died since, are started anew, or stand still.
func TestBudgetOfLivesThatEnded(t *testing.T) {
	for _, fault := range []string{"{at: 40s, for: 5s, crash: b}", "{at: 40s, for: 5s, powercut: b}", "{at: 40s, for: 5s, restore: {on: b, from: 39s}}",
		"{at: 40s, crash: b/n0}, {at: 40s, pause: b/n1}", "{at: 40s, suspend: b/n0}, {at: 41s, for: 5s, crash: b/n1}, {at: 50s, for: 2s, crash: b/n1}"} {
		r, err := Run(t.Context(), parse(t, twoSites+"faults: ["+fault+"]\nduration: 1m\n"), simulator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		const size = 1_000_000
		if u := r.Uplinks[1]; u.BlobBytes < size || u.BlobBytes > size*11/10 {
			t.Errorf("%s: %d bytes of a blob came, of %d", fault, u.BlobBytes, size)
		}
	}
}

// TestIdealOfLivesThatEnded: what a site had to get of a release is what its nodes lacked when they got it, not what they know of that after
// they were started anew.
func TestIdealOfLivesThatEnded(t *testing.T) {
	for what, fault := range map[string]string{"none": "", "all": "{at: 60s, for: 5s, crash: b}", "one": "{at: 60s, for: 5s, crash: b/n0}"} {
		r, err := Run(t.Context(), parse(t, twoSites+`
  - {at: 40s, seed: {size: 1MB, from: a/n0, name: app, version: v2, change: 20%}}
  - {at: 41s, deploy: {name: app, release: app@v2}}
faults: [`+fault+"]\nduration: 80s\n"), simulator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		const size = 1_000_000
		if u := r.Uplinks[1]; u.IdealBytes < size*12/10 || u.IdealBytes > size*16/10 {
			t.Errorf("%s die: the ideal is %d bytes", what, u.IdealBytes)
		}
	}
}
