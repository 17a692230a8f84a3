package node

import (
	"testing"
	"time"

	"selvage/internal/calendar"
	"selvage/node/api"
)

// TestCapSetAnew: what was counted in a month to come holds bulk until then, or until the cap is set anew.
func TestCapSetAnew(t *testing.T) {
	t.Parallel()
	n := found(t).founder
	most := int64(1000)
	if _, err := n.SetUplink(t.Context(), api.UplinkChange{MonthCap: &most}); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	n.used = calendar.Used{Month: "2099-01", Bytes: 2000}
	n.mu.Unlock()
	if got := n.uplink(); got.BulkHeld != api.HeldByCap || got.BulkUntil.Year() != 2099 {
		t.Fatalf("held by %q until %v", got.BulkHeld, got.BulkUntil)
	}
	got, err := n.SetUplink(t.Context(), api.UplinkChange{MonthCap: &most})
	if err != nil || got.BulkHeld != api.HeldByCap || got.MonthUsed < 2000 || got.BulkUntil.After(time.Now().AddDate(0, 1, 1)) {
		t.Errorf("%v: %d used, held by %q until %v", err, got.MonthUsed, got.BulkHeld, got.BulkUntil)
	}
}
