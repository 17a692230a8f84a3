package ledger_test

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// sharing opens ledgers that share a shelf.
func (f *fleet) sharing(shelf *ledger.Shelf, verify trust.VerifyFunc, charters int, name string) *ledger.Ledger {
	f.t.Helper()
	l, err := ledger.Open(ledger.Config{Log: new(memlog.Log), Key: keyOf("node " + name), Fleet: f.id, Shelf: shelf, Verify: verify,
		Now: func() time.Time { return epoch.Add(time.Hour) }})
	must(f.t, err)
	must(f.t, l.Learn(f.chain[:charters]))
	return l
}

// TestShelf has ledgers that share what they read come to what one comes to that shares nothing.
func TestShelf(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	release := a.write(ledger.KindRelease, "", "", f.release("app", "v1", "blob", time.Minute, "op"))
	report := a.write(ledger.KindReport, "", "report", []byte("up"))
	alone := f.watcher()
	offer(t, alone, ledger.Stored, admission, release, report)
	var shelf ledger.Shelf
	for _, name := range []string{"one", "two"} {
		l := f.sharing(&shelf, nil, 1, name)
		offer(t, l, ledger.Stored, admission, release, report)
		if l.Root([]string{""}) != alone.Root([]string{""}) || len(l.Releases()) != 1 || len(l.Reports()) != 1 {
			t.Errorf("%s has other entries than who shares nothing: %v, %v", name, l.Releases(), l.Reports())
		}
		if n, ok := l.Node(a.id); !ok || n.Name != "a" || n.Site != "s1" {
			t.Errorf("%s has a as %+v", name, n)
		}
	}
}

// TestShelfKeepsNothingForged has an entry with a wrong signature offered twice, so that it would be found on the shelf.
func TestShelfKeepsNothingForged(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	forged := a.write(ledger.KindReport, "", "report", []byte("up"))
	forged.Data[len(forged.Data)-1] ^= 1
	var shelf ledger.Shelf
	for _, name := range []string{"one", "two"} {
		l := f.sharing(&shelf, nil, 1, name)
		offer(t, l, ledger.Stored, admission)
		if outcome, err := l.Offer(forged); outcome != ledger.Rejected || !errors.Is(err, ledger.ErrSignature) {
			t.Errorf("%s takes a forged entry: %v, %v", name, outcome, err)
		}
	}
}

// TestShelfByCharter has a ledger that knows one charter share with one that knows the next, by which the credential is no good any
// more: what the one has found holds for neither the other nor, when it has come to know more, itself.
func TestShelfByCharter(t *testing.T) {
	f := newFleet(t, oneOperator())
	_, admission := f.admitted("a", "s1")
	f.chain = append(f.chain, signCharter(t, oneOperator().with(trust.RoleAdmit, 1, "another").charter(2), "op"))
	var shelf ledger.Shelf
	behind, ahead := f.sharing(&shelf, nil, 1, "behind"), f.sharing(&shelf, nil, 2, "ahead")
	offer(t, behind, ledger.Stored, admission)
	offer(t, ahead, ledger.Stored, admission)
	problem := func(l *ledger.Ledger) string { return l.Nodes()[0].Quarantined }
	if problem(behind) != "" || problem(ahead) == "" {
		t.Errorf("quarantined by the first charter: %q, by the second: %q", problem(behind), problem(ahead))
	}
	must(t, behind.Learn(f.chain))
	if problem(behind) != problem(ahead) {
		t.Errorf("quarantined: %q once it knows the second, want %q", problem(behind), problem(ahead))
	}
}

// TestShelfChecksOnce counts signatures.
func TestShelfChecksOnce(t *testing.T) {
	f := newFleet(t, oneOperator())
	_, admission := f.admitted("a", "s1")
	checked := 0
	verify := func(key ed25519.PublicKey, message, sig []byte) bool {
		checked++
		return ed25519.Verify(key, message, sig)
	}
	var shelf ledger.Shelf
	offer(t, f.sharing(&shelf, verify, 1, "one"), ledger.Stored, admission)
	first := checked
	offer(t, f.sharing(&shelf, verify, 1, "two"), ledger.Stored, admission)
	if again := checked - first; first == 0 || again >= first {
		t.Errorf("%d signatures checked, and %d when another ledger was offered the same", first, again)
	}
}
