package mutant

import "testing"

func TestKnown(t *testing.T) {
	seen := map[Name]bool{}
	for _, m := range append(All(), Lease()...) {
		if seen[m.Name] || !known(m.Name) || m.Breaks == "" {
			t.Errorf("%+v is twice in the list, or says nothing", m)
		}
		seen[m.Name] = true
	}
	if known("") || known("none") {
		t.Error("what is no mutant is known")
	}
}
