package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/ledger/trust"
)

func credential(t testing.TB, c *trust.Chain) (trust.Ticket, trust.Credential) {
	t.Helper()
	tk := ticket(t, invite(c), "op")
	cred, err := tk.Bind(publicOf("node"), "n1", epoch.Add(time.Hour))
	must(t, err)
	return tk, cred
}

func TestCredential(t *testing.T) {
	chain := found(t)
	_, cred := credential(t, chain)
	back, err := trust.ParseCredential(cred.Marshal())
	must(t, err)
	m, err := chain.Latest().Admit(chain.Fleet(), back, epoch.Add(2*time.Hour))
	must(t, err)
	want := trust.Member{Node: nodeID("node"), Name: "n1", Site: "s1", Labels: map[string]string{"tier": "pos"}, Serial: m.Serial, Uses: 2,
		Bound: epoch.Add(time.Hour).Local(), InviteExpires: epoch.Add(24 * time.Hour), Expires: epoch.Add(time.Duration(trust.DefaultLifetime)), Life: time.Duration(trust.DefaultLifetime)}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

// TestAlteredCredential: a credential with one bit changed admits nobody, or whom it did.
func TestAlteredCredential(t *testing.T) {
	chain := found(t)
	_, cred := credential(t, chain)
	good := cred.Marshal()
	want, err := chain.Latest().Admit(chain.Fleet(), cred, epoch)
	must(t, err)
	for i := range good {
		for bit := range 8 {
			data := bytes.Clone(good)
			data[i] ^= 1 << bit
			c, err := trust.ParseCredential(data)
			if err != nil {
				if !errors.Is(err, trust.ErrMalformed) {
					t.Fatalf("byte %d: %v", i, err)
				}
				continue
			}
			if m, err := chain.Latest().Admit(chain.Fleet(), c, epoch); err == nil && !cmp.Equal(m, want) {
				t.Fatalf("byte %d: admits %+v", i, m)
			}
		}
		if _, err := trust.ParseCredential(good[:i]); !errors.Is(err, trust.ErrMalformed) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	for _, bad := range [][]byte{append(bytes.Clone(good), 0), make([]byte, trust.MaxCredential+1)} {
		if _, err := trust.ParseCredential(bad); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

// TestAdmit: each part of a credential that is not as it must be keeps the node out.
func TestAdmit(t *testing.T) {
	chain := found(t)
	tk, good := credential(t, chain)
	inv, err := tk.Peek()
	must(t, err)
	otherFleet := invite(chain)
	otherFleet.Fleet[0] ^= 1
	otherSite := invite(chain)
	otherSite.Site = "us-1"
	change := func(key ed25519.PrivateKey, f func(fleet *[]byte, serial *string, node *[]byte, name *string, ms *int64)) trust.Credential {
		return good.Rebind(key, f)
	}
	for name, c := range map[string]struct {
		cred trust.Credential
		now  time.Time
		want error
	}{
		"as it is":           {good, epoch, nil},
		"in 1970":            {good, time.Unix(0, 0), nil},
		"at its last moment": {good, epoch.Add(time.Duration(trust.DefaultLifetime) - 1), nil},
		"expired":            {good, epoch.Add(time.Duration(trust.DefaultLifetime)), trust.ErrExpired},
		"nothing":            {trust.Credential{}, epoch, trust.ErrMalformed},
		"another key's word": {change(keyOf("other"), func(*[]byte, *string, *[]byte, *string, *int64) {}), epoch, trust.ErrSignature},
		"another fleet": {change(tk.Key, func(f *[]byte, _ *string, _ *[]byte, _ *string, _ *int64) { *f = make([]byte, 32) }), epoch,
			trust.ErrForeignFleet},
		"another serial": {change(tk.Key, func(_ *[]byte, s *string, _ *[]byte, _ *string, _ *int64) { *s = "00" }), epoch, trust.ErrSignature},
		"a bad name":     {change(tk.Key, func(_ *[]byte, _ *string, _ *[]byte, n *string, _ *int64) { *n = "N 1" }), epoch, trust.ErrMalformed},
		"bound too early": {change(tk.Key, func(_ *[]byte, _ *string, _ *[]byte, _ *string, ms *int64) { *ms = epoch.UnixMilli() - 1 }), epoch,
			trust.ErrMalformed},
		"bound late": {change(tk.Key, func(_ *[]byte, _ *string, _ *[]byte, _ *string, ms *int64) { *ms = inv.Expires.UnixMilli() + 1 }), epoch,
			trust.ErrExpired},
		"bound at the end":     {change(tk.Key, func(_ *[]byte, _ *string, _ *[]byte, _ *string, ms *int64) { *ms = inv.Expires.UnixMilli() }), epoch, nil},
		"an invite by nobody":  {good.WithInvite(ticket(t, invite(chain), "stranger").Invite), epoch, trust.ErrRole},
		"an invite elsewhere":  {good.WithInvite(ticket(t, otherFleet, "op").Invite), epoch, trust.ErrForeignFleet},
		"an unreadable invite": {good.WithInvite(trust.Envelope{Payload: "!"}), epoch, trust.ErrMalformed},
	} {
		m, err := chain.Latest().Admit(chain.Fleet(), c.cred, c.now)
		if !errors.Is(err, c.want) || (err == nil) != (m.Name == "n1") {
			t.Errorf("%s: got %+v, %v, want %v", name, m, err, c.want)
		}
	}
	eu := charter(1, 1, "op")
	g := eu.Roles[trust.RoleAdmit]
	g.Scope = []string{"site:eu-*"}
	eu.Roles[trust.RoleAdmit] = g
	if _, err := eu.Admit(chain.Fleet(), good, epoch); !errors.Is(err, trust.ErrRole) {
		t.Errorf("a site out of the inviter's scope: %v", err)
	}
}

// TestTwoInviters: an invite needs as many of those who may admit as the charter says.
func TestTwoInviters(t *testing.T) {
	c := charter(1, 1, "op")
	c.Keys[keyID("op2")] = publicOf("op2")
	c.Roles[trust.RoleAdmit] = grant(2, "op", "op2")
	e := sign(t, c, "op")
	chain, err := trust.VerifyChain(fleetOf(t, e), []trust.Envelope{e})
	must(t, err)
	for _, x := range []struct {
		signers []string
		want    error
	}{{[]string{"op", "op2"}, nil}, {[]string{"op"}, trust.ErrThreshold}, {[]string{"op", "op"}, trust.ErrThreshold}} {
		cred, err := ticket(t, invite(chain), x.signers...).Bind(publicOf("node"), "n1", epoch)
		must(t, err)
		if _, err := chain.Latest().Admit(chain.Fleet(), cred, epoch); !errors.Is(err, x.want) {
			t.Errorf("%v: got %v, want %v", x.signers, err, x.want)
		}
	}
}
