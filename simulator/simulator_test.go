package simulator

import (
	"os"
	"path/filepath"
	"testing"

	"selvage/simulator/scenario"
)

func load(t testing.TB, file string) scenario.Scenario {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse(file, data, Invariants())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestScenarios plays every small scenario that is shipped, once.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r, err := Run(t.Context(), load(t, file), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.0f s in %.1f s; makespan %.1f s, bound %.1f s; %+v", r.VirtualSeconds, r.WallSeconds, r.MakespanSeconds, r.BoundSeconds, r.Uplinks)
			for _, c := range r.Checks {
				if !c.OK {
					t.Errorf("%s %s: %s", c.Kind, c.Name, c.Detail)
				}
			}
			if t.Failed() {
				for _, e := range r.Events {
					t.Logf("%9.3f %-12s %s %s", e.At.Seconds(), e.On, e.What, e.Text)
				}
			}
		})
	}
}
