package trust_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"selvage/ledger/trust"
)

func payloadOf(t testing.TB, e trust.Envelope) []byte {
	t.Helper()
	data, err := e.DecodeB64Payload()
	must(t, err)
	return data
}

// FuzzCharter: what is read as a charter can be signed, and verified then.
func FuzzCharter(f *testing.F) {
	f.Add(payloadOf(f, sign(f, charter(1, 1, "op"), "op")))
	f.Add(payloadOf(f, sign(f, charter(2, 2, "r1", "r2"), "r1", "r2")))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := trust.DecodeCharter(data)
		if err != nil {
			if !errors.Is(err, trust.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			return
		}
		e, err := trust.SignCharter(*c, keyOf("op"))
		must(t, err)
		again, err := trust.DecodeCharter(payloadOf(t, e))
		if err != nil || again.Version != c.Version {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
		if _, err := trust.VerifyChain(fleetOf(t, e), []trust.Envelope{e}); err == nil && c.Version != 1 {
			t.Error("a chain that begins in the middle")
		}
	})
}

// FuzzInvite: what is read as an invite is the same when it is written.
func FuzzInvite(f *testing.F) {
	f.Add(payloadOf(f, ticket(f, invite(found(f)), "op").Invite))
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := trust.DecodeInvite(data)
		if err != nil {
			if !errors.Is(err, trust.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			return
		}
		out, err := json.Marshal(i)
		must(t, err)
		if again, err := trust.DecodeInvite(out); err != nil || again.Serial != i.Serial || again.Lifetime != i.Lifetime {
			t.Errorf("%+v became %+v, %v", i, again, err)
		}
	})
}

// FuzzCredential: a credential has one form, and none admits anyone but the one that is signed.
func FuzzCredential(f *testing.F) {
	chain := found(f)
	_, good := credential(f, chain)
	f.Add(good.Marshal())
	want, err := chain.Latest().Admit(chain.Fleet(), good, epoch)
	must(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := trust.ParseCredential(data)
		if err != nil {
			if !errors.Is(err, trust.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			return
		}
		if m, err := chain.Latest().Admit(chain.Fleet(), c, epoch); err == nil && m.Node != want.Node {
			t.Errorf("admits %+v", m)
		}
		again, err := trust.ParseCredential(c.Marshal())
		if err != nil || !bytes.Equal(again.Marshal(), c.Marshal()) {
			t.Errorf("written and read: %v", err)
		}
	})
}

// FuzzTicket: what is read as a ticket is one, and is the same when it is written.
func FuzzTicket(f *testing.F) {
	f.Add(ticket(f, invite(found(f)), "op").String())
	f.Add(trust.TicketPrefix)
	f.Fuzz(func(t *testing.T, s string) {
		tk, err := trust.ParseTicket(s)
		if err != nil {
			if !errors.Is(err, trust.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			return
		}
		again, err := trust.ParseTicket(tk.String())
		if err != nil || again.String() != tk.String() {
			t.Errorf("%q became %q, %v", tk, again, err)
		}
	})
}

// FuzzTicketBody reaches what lies behind a ticket's checksum.
func FuzzTicketBody(f *testing.F) {
	chain := found(f)
	tk := ticket(f, invite(chain), "op")
	envelope, err := json.Marshal(tk.Invite)
	must(f, err)
	f.Add(trust.TicketBody(envelope, tk.Key.Seed()))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		tk, err := trust.DecodeTicket(data)
		if err != nil {
			if !errors.Is(err, trust.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			return
		}
		cred, err := tk.Bind(publicOf("node"), "n1", epoch)
		if err != nil {
			return
		}
		if _, err := trust.ParseCredential(cred.Marshal()); err != nil && len(cred.Marshal()) <= trust.MaxCredential {
			t.Error(err)
		}
	})
}

// FuzzEnvelope: whatever an envelope is, it counts only with the signatures that it needs.
func FuzzEnvelope(f *testing.F) {
	c := charter(1, 1, "op")
	e, err := trust.Sign("x", []byte("payload"), keyOf("op"))
	must(f, err)
	data, err := json.Marshal(e)
	must(f, err)
	f.Add(data)
	f.Add([]byte(`{"payloadType":"x","payload":"","signatures":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e trust.Envelope
		if json.Unmarshal(data, &e) != nil {
			return
		}
		payload, signers, err := c.Verify(e, "x", trust.RoleRelease, "app")
		if err == nil && (string(payload) != "payload" || len(signers) != 1) {
			t.Errorf("%q by %v", payload, signers)
		}
	})
}

// FuzzKey: what is read as a key can be written.
func FuzzKey(f *testing.F) {
	f.Add(trust.MarshalKey(keyOf("op")))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := trust.ParseKey(data)
		if err != nil {
			return
		}
		if again, err := trust.ParseKey(trust.MarshalKey(k)); err != nil || !again.Equal(k) {
			t.Errorf("got %v", err)
		}
	})
}
