package scenarios

import (
	"os"
	"path/filepath"
	"testing"

	"selvage/simulator"
	"selvage/simulator/scenario"
)

// TestAllCanBeRead: those that are shipped, and those of the folders.
func TestAllCanBeRead(t *testing.T) {
	shipped, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	inside, err := filepath.Glob(filepath.Join("*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(shipped) != len(Names()) || len(inside) == 0 {
		t.Errorf("%d files here, of which %d are shipped, and %d in folders", len(shipped), len(Names()), len(inside))
	}
	for _, file := range append(shipped, inside...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenario.Parse(file, data, simulator.Invariants()); err != nil {
			t.Error(err)
		}
	}
}
