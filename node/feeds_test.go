package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"selvage/gossip"
	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// TestFeedsOfOtherSites: a mate cannot have this node keep what is another site's, or no site's: nobody would ever compare it, nor bound
// how many such feeds there are.
func TestFeedsOfOtherSites(t *testing.T) {
	_, operator, _ := ed25519.GenerateKey(rand.Reader)
	public, mate, _ := ed25519.GenerateKey(rand.Reader)
	_, self, _ := ed25519.GenerateKey(rand.Reader)
	chain, cred, err := trust.Found("acme", "s1", "a", operator, public, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	open := func(key ed25519.PrivateKey) *ledger.Ledger {
		l, err := ledger.Open(ledger.Config{Log: new(memlog.Log), Key: key, Fleet: chain.Fleet()})
		if err == nil {
			err = l.Learn(chain.Envelopes())
		}
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	author, f := open(mate), &feeds{ledger: open(self), site: "s1"}
	var records []gossip.Record
	for _, e := range []struct {
		kind  ledger.Kind
		scope string
		body  []byte
	}{{ledger.KindAdmission, "", cred.Marshal()}, {ledger.KindReport, "s2", nil}, {ledger.KindReport, "s1", nil}, {ledger.KindCommand, "s2", nil}} {
		written, err := author.Publish(e.kind, e.scope, "", e.body)
		if err != nil {
			t.Fatal(err)
		}
		rs, err := author.Read(written.Feed().Key(), written.Seq-1, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, gossip.Record(rs[0]))
	}
	outcomes, errs := f.Offer(ident.FromPrivateKey(mate), records)
	for i, want := range []gossip.Outcome{gossip.Stored, gossip.Rejected, gossip.Stored, gossip.Rejected} {
		if outcomes[i] != want || (errs[i] != nil) != (want == gossip.Rejected) || errors.Is(errs[i], gossip.ErrNotStored) {
			t.Errorf("record %d: outcome %v, %v", i, outcomes[i], errs[i])
		}
	}
}
