package simulator

import (
	"testing"
	"time"

	"selvage/simulator/network"
	"selvage/simulator/scenario"
)

// TestUplinkBudget: each direction of an uplink may carry all of its budget, whatever the other has carried.
func TestUplinkBudget(t *testing.T) {
	s, err := scenario.Parse("story.yaml", []byte("sites: [{name: a, nodes: 1, uplink: {budget: {bytes: 10MB, every: 1h}}}]\nduration: 1m\n"), Invariants())
	if err != nil {
		t.Fatal(err)
	}
	want := network.Budget{Bytes: 10_000_000, Every: time.Hour}
	if up, down := Links(s.Sites[0].Uplink); up.Budget != want || down.Budget != want {
		t.Errorf("up %+v, down %+v, want %+v", up.Budget, down.Budget, want)
	}
}
