package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"selvage/ledger/trust"
)

// renewed is a renewal of n1's credential by n0.
func renewed(t testing.TB, c *trust.Chain, cred trust.Credential) trust.Renewal {
	t.Helper()
	r, err := trust.SignRenewal(trust.Renewal{Fleet: c.Fleet(), Serial: cred.Serial(), Node: cred.Node(), Fence: 7, Ends: epoch.Add(90 * 24 * time.Hour),
		Issued: epoch.Add(60 * 24 * time.Hour), Expires: epoch.Add(150 * 24 * time.Hour)}, keyOf("n0"))
	must(t, err)
	return r
}

// TestRenewedCredential: a credential shows its renewal, and one of another credential is not taken for its own.
func TestRenewedCredential(t *testing.T) {
	c := found(t)
	tk := ticket(t, invite(c), "op")
	cred, err := tk.Bind(publicOf("n1"), "n1", epoch)
	must(t, err)
	other, err := tk.Bind(publicOf("n2"), "n2", epoch)
	must(t, err)
	r := renewed(t, c, cred)
	again, err := trust.ParseCredential(cred.With(r).Marshal())
	must(t, err)
	if got, ok := again.Renewal(nil); !ok || got.Compare(r) != 0 || !got.Expires.Equal(r.Expires) || got.Issuer != nodeID("n0") {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, err := c.Latest().Admit(c.Fleet(), again, epoch); err != nil {
		t.Error(err)
	}
	for name, shown := range map[string]trust.Credential{"another's": other.With(r), "none": cred} {
		if _, ok := shown.Renewal(nil); ok {
			t.Errorf("%s is taken for its own", name)
		}
	}
	nobody := func(ed25519.PublicKey, []byte, []byte) bool { return false }
	if _, err := trust.ParseRenewal(r.Marshal(), nobody); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

// TestRenewalsInOrder: the higher fence counts, whatever the time; then the later.
func TestRenewalsInOrder(t *testing.T) {
	at := func(fence uint64, day int) trust.Renewal {
		return trust.Renewal{Fence: fence, Issued: epoch.AddDate(0, 0, day)}
	}
	for _, c := range []struct {
		a, b trust.Renewal
		want int
	}{{at(2, 1), at(3, 0), -1}, {at(3, 0), at(2, 1), 1}, {at(2, 1), at(2, 2), -1}, {at(2, 1), at(2, 1), 0}} {
		if got := c.a.Compare(c.b); got != c.want {
			t.Errorf("%v and %v: %d", c.a, c.b, got)
		}
	}
}

// FuzzRenewal: what is read as a renewal has one form, and its issuer signed it.
func FuzzRenewal(f *testing.F) {
	c := found(f)
	cred, err := ticket(f, invite(c), "op").Bind(publicOf("n1"), "n1", epoch)
	must(f, err)
	f.Add(renewed(f, c, cred).Marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := trust.ParseRenewal(data, nil)
		if err != nil {
			if !errors.Is(err, trust.ErrMalformed) && !errors.Is(err, trust.ErrSignature) {
				t.Errorf("got %v", err)
			}
			// What lies behind the signature.
			if r, err = trust.ParseRenewal(data, func(ed25519.PublicKey, []byte, []byte) bool { return true }); err != nil {
				return
			}
		}
		if !bytes.Equal(r.Marshal(), data) {
			t.Errorf("%x became %x", data, r.Marshal())
		}
	})
}
