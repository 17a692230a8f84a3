package memlog

import (
	"testing"

	"selvage/ledger"
	"selvage/ledger/ledgertest"
)

func TestLog(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) (ledger.Log, func() ledger.Log) {
		log := new(Log)
		return log, func() ledger.Log { return log }
	})
}
