//go:build !mutants

package mutant

import "testing"

// TestOrdinaryBuildHasNone: whatever the environment says.
func TestOrdinaryBuildHasNone(t *testing.T) {
	for _, m := range append(All(), Lease()...) {
		t.Setenv("SELVAGE_MUTANT", string(m.Name))
		if On(m.Name) {
			t.Errorf("%s is on", m.Name)
		}
	}
}
