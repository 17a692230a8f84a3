package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

// TestRootAfterEachChange asks for roots now and then while entries come, and each time a ledger that reads all of
// them from its log has the same.
func TestRootAfterEachChange(t *testing.T) {
	f := newFleet(t, oneOperator())
	r := rand.New(rand.NewPCG(1, 2))
	log := new(memlog.Log)
	l := f.open("watcher", log)
	var authors []*author
	seen := map[[32]byte]bool{}
	for i := range 200 {
		switch {
		case i%4 == 0:
			a, admission := f.admitted(fmt.Sprint("n", i), "s1")
			authors = append(authors, a)
			offer(t, l, ledger.Stored, admission)
		default:
			scope := []string{"", "s1"}[r.IntN(2)]
			a := authors[r.IntN(len(authors))]
			offer(t, l, ledger.Stored, a.write(ledger.KindReport, scope, "report", []byte{byte(i)}))
		}
		if r.IntN(3) > 0 {
			continue
		}
		fresh := f.openBare("watcher", log)
		for _, scopes := range [][]string{{""}, {"s1"}, {"", "s1"}} {
			if l.Root(scopes) != fresh.Root(scopes) {
				t.Fatalf("after entry %d: the root of %q is not that of a ledger that has just read them", i, scopes)
			}
		}
		if now := l.Root([]string{"", "s1"}); seen[now] {
			t.Fatalf("after entry %d: the root is an old one", i)
		} else {
			seen[now] = true
		}
	}
}
