package node

import (
	"strings"
	"testing"
)

// TestReleaseContradictsItself: a signed release that names another size than its blob has runs nowhere and says why, costs nobody
// his place in the fleet, and the right one runs after it.
func TestReleaseContradictsItself(t *testing.T) {
	t.Parallel()
	f := found(t)
	m := f.join("b", "b1")
	added := f.add(f.founder, content(6, 500<<10))
	wrong := added
	wrong.Size++
	if err := f.release(f.founder, "app@v1", wrong, nil); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v1")
	eventually(t, "everybody can see why b1 does not run it", func() bool {
		r, err := f.founder.Rollout("app")
		for _, b := range r.Behind {
			if err == nil && b.Name == "b1" && strings.Contains(b.Why, "contradicts itself") {
				return true
			}
		}
		return false
	})
	if len(m.Status().Peers) != 1 || m.alerted("dropped") || m.alerted("fails its peers") {
		t.Errorf("b1: %+v", m.Status())
	}
	if err := f.release(f.founder, "app@v2", added, nil); err != nil {
		t.Fatal(err)
	}
	f.deploy(f.founder, "app@v2")
	eventually(t, "b1 runs app@v2", func() bool { return m.runs("app@v2") })
}
