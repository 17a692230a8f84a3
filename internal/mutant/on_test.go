//go:build mutants

package mutant

import (
	"os"
	"testing"
)

// TestMain chooses one: it is read once.
func TestMain(m *testing.M) {
	os.Setenv("SELVAGE_MUTANT", string(DropTakeover))
	os.Exit(m.Run())
}

func TestOneIsOn(t *testing.T) {
	for _, m := range append(All(), Lease()...) {
		if on := On(m.Name); on != (m.Name == DropTakeover) {
			t.Errorf("%s: %v", m.Name, on)
		}
	}
}
