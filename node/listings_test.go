package node

import (
	"encoding/json"
	"math"
	"testing"

	"selvage/ledger"
)

// TestEntryOfNoTime: an entry that its author has dated after all years that can be written down does not keep the others from being listed.
func TestEntryOfNoTime(t *testing.T) {
	e := entryOf(ledger.EntryInfo{Entry: &ledger.Entry{Time: math.MaxUint64}}, "n1")
	if _, err := json.Marshal(e); err != nil {
		t.Error(err)
	}
}
