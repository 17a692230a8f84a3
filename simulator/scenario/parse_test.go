package scenario

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// known are invariants such as the engine has.
var known = Invariants{"nothing_unsigned_runs": None, "no_corrupt_blob": OptionalPlace, "ledgers_equal": None,
	"all_run": Release, "somebody_resumed": None, "one_leader_per_site": OptionalPlace, "epochs_grow": None, "log_has": Text}

// alike compares scenarios but for their lines.
var alike = cmp.Options{cmpopts.EquateEmpty(),
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Line" }, cmp.Ignore())}

func load(t testing.TB, file string) Scenario {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(file, data, known)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := load(t, "all.yaml")
	data := s.Marshal()
	t.Logf("%s", data)
	back, err := Parse("back", data, known)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back, alike); diff != "" {
		t.Error(diff)
	}
}
