package trust_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keyOf returns the same key for the same name.
func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("selvage test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(name string) ed25519.PublicKey { return keyOf(name).Public().(ed25519.PublicKey) }

func keyID(name string) string { return trust.KeyID(publicOf(name)) }

func keysOf(names ...string) []ed25519.PrivateKey {
	var out []ed25519.PrivateKey
	for _, n := range names {
		out = append(out, keyOf(n))
	}
	return out
}

// stream is a source of bytes that are the same in every run.
type stream struct{ n uint64 }

func (s *stream) Read(p []byte) (int, error) {
	for i := range p {
		s.n++
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, s.n))
		p[i] = sum[0]
	}
	return len(p), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func grant(threshold int, names ...string) trust.Grant {
	g := trust.Grant{Threshold: threshold, Scope: []string{"*"}}
	for _, n := range names {
		g.Keys = append(g.Keys, keyID(n))
	}
	return g
}

// charter is a charter whose root is the keys; other roles are held by "op".
func charter(version uint64, threshold int, root ...string) trust.Charter {
	c := trust.Charter{Version: version, Name: "acme", Issued: epoch, Expires: epoch.Add(trust.CharterLifetime), Keys: map[string][]byte{keyID("op"): publicOf("op")},
		Roles: map[trust.Role]trust.Grant{trust.RoleRoot: grant(threshold, root...)}}
	for _, r := range []trust.Role{trust.RoleRelease, trust.RoleDeploy, trust.RoleAdmit} {
		c.Roles[r] = grant(1, "op")
	}
	for _, n := range root {
		c.Keys[keyID(n)] = publicOf(n)
	}
	return c
}

func sign(t testing.TB, c trust.Charter, names ...string) trust.Envelope {
	t.Helper()
	e, err := trust.SignCharter(c, keysOf(names...)...)
	must(t, err)
	return e
}

func fleetOf(t testing.TB, e trust.Envelope) trust.FleetID {
	t.Helper()
	payload, err := e.DecodeB64Payload()
	must(t, err)
	return sha256.Sum256(payload)
}

// found makes a fleet of which "op" holds every role.
func found(t testing.TB) *trust.Chain {
	t.Helper()
	e := sign(t, charter(1, 1, "op"), "op")
	c, err := trust.VerifyChain(fleetOf(t, e), []trust.Envelope{e})
	must(t, err)
	return c
}

func invite(c *trust.Chain) trust.Invite {
	return trust.Invite{Fleet: c.Fleet(), Site: "s1", Labels: map[string]string{"tier": "pos"}, Uses: 2, Issued: epoch, Expires: epoch.Add(24 * time.Hour),
		Bootstrap: []string{"/ip4/10.0.0.1/udp/7420/quic-v1"}}
}

func ticket(t testing.TB, inv trust.Invite, signers ...string) trust.Ticket {
	t.Helper()
	tk, err := trust.NewTicket(inv, new(stream), keysOf(signers...)...)
	must(t, err)
	return tk
}

func nodeID(name string) ident.NodeID { return ident.FromPublicKey(publicOf(name)) }
