package memlog

import (
	"bytes"
	"testing"
	"unsafe"

	"selvage/ledger"
	"selvage/ledger/ledgertest"
)

func TestLog(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) (ledger.Log, func() ledger.Log) {
		log := new(Log)
		return log, func() ledger.Log { return log }
	})
}

// TestShared has two logs that hold one entry keep its bytes once.
func TestShared(t *testing.T) {
	kept := func() *byte {
		log := new(Log)
		if err := log.Commit(ledger.Batch{Put: []ledger.Item{{Feed: "f", Seq: 1, Data: bytes.Repeat([]byte("entry"), 200)}}}); err != nil {
			t.Fatal(err)
		}
		return unsafe.StringData(log.entries[id{"f", 1}].Value())
	}
	if one, two := kept(), kept(); one != two {
		t.Error("two logs keep the bytes of one entry twice")
	}
}
