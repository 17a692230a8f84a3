package node

import (
	"fmt"
	"testing"

	"selvage/internal/ident"
)

// TestAlertsAreBounded: who fails again and again is named once, and no crowd of reasons drives out more than there is room for.
func TestAlertsAreBounded(t *testing.T) {
	t.Parallel()
	f := found(t)
	id := ident.NodeID{7}
	for range 1000 {
		f.founder.failing(id, "it was asked twice and gave nothing")
	}
	if all := f.founder.Status().Alerts; len(all) != 1 {
		t.Errorf("%d alerts for one failing peer: %v", len(all), all)
	}
	for i := range 1000 {
		f.founder.misbehaved(id, fmt.Sprint("reason ", i))
	}
	if all := f.founder.Status().Alerts; len(all) != maxAlerts {
		t.Errorf("%d alerts", len(all))
	}
}
