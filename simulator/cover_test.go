package simulator

import (
	"testing"

	"selvage/simulator/scenario"
)

// counting is a stage whose links were given so much.
type counting struct {
	Stage
	crossed [6]int64
}

func (c counting) Crossed(string) [6]int64 { return c.crossed }

// TestCover: one packet or byte more on any link is another digest.
func TestCover(t *testing.T) {
	digest := func(crossed [6]int64) string {
		s := story{Stage: counting{crossed: crossed}, trace: NewTrace(), scenario: scenario.Scenario{Sites: []scenario.Site{{Name: "a"}}}}
		s.cover(0)
		_, _, sum := s.trace.take(nil)
		return sum
	}
	seen := map[string]bool{digest([6]int64{}): true}
	if !seen[digest([6]int64{})] {
		t.Error("the same counts have two digests")
	}
	for link := range 6 {
		var crossed [6]int64
		crossed[link] = 1
		if sum := digest(crossed); seen[sum] {
			t.Errorf("count %d is not covered", link)
		} else {
			seen[sum] = true
		}
	}
}
