package ledger_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// epoch is when the fleets of tests are founded.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// keys has what keyOf has made, as making a key costs as much as signing with it.
var keys sync.Map

// keyOf returns the same key for the same name.
func keyOf(name string) ed25519.PrivateKey {
	if k, ok := keys.Load(name); ok {
		return k.(ed25519.PrivateKey)
	}
	seed := sha256.Sum256([]byte("selvage test key " + name))
	k := ed25519.NewKeyFromSeed(seed[:])
	keys.Store(name, k)
	return k
}

func keyID(name string) string { return trust.KeyID(keyOf(name).Public().(ed25519.PublicKey)) }

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

// fleet is a charter's chain, and the ways to say something under it.
type fleet struct {
	t     testing.TB
	chain []trust.Envelope
	id    trust.FleetID
	rand  *stream
}

// roles names the keys of each role; each has a threshold.
type roles struct {
	keys      map[trust.Role][]string
	threshold map[trust.Role]int
	scope     map[trust.Role][]string // "*" if missing
}

// oneOperator has one key, "op", for everything.
func oneOperator() roles { return operators(1, "op") }

// operators gives all roles to the keys, of which as many as threshold have to sign.
func operators(threshold int, names ...string) roles {
	r := roles{keys: map[trust.Role][]string{}, threshold: map[trust.Role]int{}, scope: map[trust.Role][]string{}}
	for _, role := range []trust.Role{trust.RoleRoot, trust.RoleRelease, trust.RoleDeploy, trust.RoleAdmit} {
		r.keys[role], r.threshold[role] = names, threshold
	}
	return r
}

func (r roles) with(role trust.Role, threshold int, names ...string) roles {
	r.keys, r.threshold = maps.Clone(r.keys), maps.Clone(r.threshold)
	r.keys[role], r.threshold[role] = names, threshold
	return r
}

func (r roles) charter(version uint64) trust.Charter {
	c := trust.Charter{Version: version, Name: "acme", Issued: epoch, Expires: epoch.Add(trust.CharterLifetime),
		Keys: map[string][]byte{}, Roles: map[trust.Role]trust.Grant{}}
	for role, names := range r.keys {
		g := trust.Grant{Threshold: r.threshold[role], Scope: r.scope[role]}
		if g.Scope == nil {
			g.Scope = []string{"*"}
		}
		for _, name := range names {
			c.Keys[keyID(name)] = keyOf(name).Public().(ed25519.PublicKey)
			g.Keys = append(g.Keys, keyID(name))
		}
		c.Roles[role] = g
	}
	return c
}

func keysOf(names ...string) []ed25519.PrivateKey {
	var out []ed25519.PrivateKey
	for _, n := range names {
		out = append(out, keyOf(n))
	}
	return out
}

// newFleet founds a fleet; its first charter is signed by its root keys.
func newFleet(t testing.TB, r roles) *fleet {
	t.Helper()
	f := &fleet{t: t, rand: new(stream)}
	env := signCharter(t, r.charter(1), r.keys[trust.RoleRoot]...)
	payload, err := env.DecodeB64Payload()
	must(t, err)
	f.chain, f.id = []trust.Envelope{env}, sha256.Sum256(payload)
	return f
}

// in is the fleet for use in another test, such as one run of a fuzz target.
func (f *fleet) in(t testing.TB) *fleet {
	return &fleet{t: t, chain: f.chain, id: f.id, rand: new(stream)}
}

func signCharter(t testing.TB, c trust.Charter, names ...string) trust.Envelope {
	t.Helper()
	env, err := trust.SignCharter(c, keysOf(names...)...)
	must(t, err)
	return env
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	must(t, err)
	return data
}

// ticket makes an invite.
func (f *fleet) ticket(site string, uses int, signers ...string) trust.Ticket {
	f.t.Helper()
	t, err := trust.NewTicket(trust.Invite{Fleet: f.id, Site: site, Uses: uses, Issued: epoch, Expires: epoch.Add(24 * time.Hour)}, f.rand, keysOf(signers...)...)
	must(f.t, err)
	return t
}

// author writes entries by hand, as a node that does what it likes.
type author struct {
	f    *fleet
	name string
	key  ed25519.PrivateKey
	id   ident.NodeID
	now  time.Time

	last, registers, urgent map[string]tip // by feed
}

type tip struct {
	seq  uint64
	hash [32]byte
}

func (f *fleet) author(name string) *author {
	k := keyOf("node " + name)
	return &author{f: f, name: name, key: k, id: ident.FromPrivateKey(k), last: map[string]tip{}, registers: map[string]tip{}, urgent: map[string]tip{}, now: epoch}
}

// backup is the author as it is now. What both write from here on forks the feeds of the lanes that
// are named; in the other lane they number their entries together.
func (a *author) backup(lanes ...ledger.Lane) *author {
	b := *a
	for _, lane := range lanes {
		switch lane {
		case ledger.Durable:
			b.last = maps.Clone(a.last)
		case ledger.Urgent:
			b.urgent = maps.Clone(a.urgent)
		default:
			b.registers = maps.Clone(a.registers)
		}
	}
	return &b
}

func (a *author) tips(lane ledger.Lane) map[string]tip {
	switch lane {
	case ledger.Durable:
		return a.last
	case ledger.Urgent:
		return a.urgent
	}
	return a.registers
}

// credential joins with a ticket at a time after the epoch.
func (a *author) credential(t trust.Ticket, after time.Duration) []byte {
	a.f.t.Helper()
	cred, err := t.Bind(a.key.Public().(ed25519.PublicKey), a.name, epoch.Add(after))
	must(a.f.t, err)
	return cred.Marshal()
}

// write signs the next entry of a feed.
func (a *author) write(kind ledger.Kind, scope, key string, body []byte) ledger.Record {
	a.f.t.Helper()
	a.now = a.now.Add(time.Second)
	return a.writeAt(a.now, kind, scope, key, body)
}

func (a *author) writeAt(at time.Time, kind ledger.Kind, scope, key string, body []byte) ledger.Record {
	a.f.t.Helper()
	feed := ledger.Feed{Author: a.id, Lane: kind.Lane(), Scope: scope}.Key()
	last := a.tips(kind.Lane())[feed]
	e := &ledger.Entry{Version: 1, Fleet: a.f.id, Author: a.id, Seq: last.seq + 1, Time: ledger.Timestamp(at.UnixMilli()) << 16,
		Kind: kind, Scope: scope, Key: key, Body: body}
	if kind.Lane() != ledger.Register && last.seq > 0 {
		e.Prev = last.hash[:]
	}
	r := a.f.record(e, a.key)
	a.tips(kind.Lane())[feed] = tip{e.Seq, ledger.Hash(r.Data)}
	return r
}

// record signs an entry of any content.
func (f *fleet) record(e *ledger.Entry, key ed25519.PrivateKey) ledger.Record {
	f.t.Helper()
	data, err := ledger.Sign(e, key)
	must(f.t, err)
	return ledger.Record{Feed: e.Feed().Key(), Seq: e.Seq, Data: data}
}

// admitted returns an author and the entry that admits it, by the operator "op".
func (f *fleet) admitted(name, site string) (*author, ledger.Record) {
	f.t.Helper()
	a := f.author(name)
	return a, a.write(ledger.KindAdmission, "", "", a.credential(f.ticket(site, 1, "op"), 0))
}

// release is a release statement as an entry's body.
func (f *fleet) release(name, version, blob string, created time.Duration, signers ...string) []byte {
	f.t.Helper()
	env, err := ledger.SignRelease(releaseOf(name, version, blob, created), keysOf(signers...)...)
	must(f.t, err)
	return marshal(f.t, env)
}

func releaseOf(name, version, blob string, created time.Duration) ledger.Release {
	sum := sha256.Sum256([]byte(blob))
	return ledger.Release{Name: name, Version: version, Type: "process", Created: epoch.Add(created), Artifacts: []ledger.Artifact{{
		Platform: "linux/amd64", Digest: fmt.Sprintf("%x", sum), Size: 10, Root: "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", File: "app"}}}
}

// site is a site config as an entry's body, and its digest. The fleet is filled in where it is missing.
func (f *fleet) site(c ledger.SiteConfig, signers ...string) ([]byte, string) {
	f.t.Helper()
	if c.Fleet == (trust.FleetID{}) {
		c.Fleet = f.id
	}
	env, err := ledger.SignSite(c, keysOf(signers...)...)
	must(f.t, err)
	digest, err := ledger.Digest(env)
	must(f.t, err)
	return marshal(f.t, env), digest
}

// revoke is a revocation as an entry's body, and its digest. What is missing in it is filled in.
func (f *fleet) revoke(r ledger.Revocation, signers ...string) (body []byte, digest string) {
	f.t.Helper()
	if r.Fleet == (trust.FleetID{}) {
		r.Fleet = f.id
	}
	if r.Declared.IsZero() {
		r.Declared = epoch
	}
	env, err := ledger.SignRevocation(r, keysOf(signers...)...)
	must(f.t, err)
	digest, err = ledger.Digest(env)
	must(f.t, err)
	return marshal(f.t, env), digest
}

// deploy is a deployment statement as an entry's body, and its digest.
func (f *fleet) deploy(d ledger.Deployment, signers ...string) (body []byte, digest string) {
	f.t.Helper()
	if d.Spec == nil {
		d.Spec = json.RawMessage(`{"release":"app@1"}`)
	}
	env, err := ledger.SignDeployment(d, keysOf(signers...)...)
	must(f.t, err)
	digest, err = ledger.Digest(env)
	must(f.t, err)
	return marshal(f.t, env), digest
}

// clock is a machine's clock, set by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// open opens a ledger of a machine that has the charters.
func (f *fleet) open(name string, log ledger.Log) *ledger.Ledger {
	f.t.Helper()
	l := f.openBare(name, log)
	must(f.t, l.Learn(f.chain))
	return l
}

func (f *fleet) openBare(name string, log ledger.Log) *ledger.Ledger {
	f.t.Helper()
	c := &clock{epoch.Add(time.Hour)}
	l, err := ledger.Open(ledger.Config{Log: log, Key: keyOf("node " + name), Fleet: f.id, Now: c.now})
	must(f.t, err)
	return l
}

// watcher is a ledger that has nothing of its own to say.
func (f *fleet) watcher() *ledger.Ledger { return f.open("watcher", new(memlog.Log)) }

// offer offers records one by one and wants each to have an outcome.
func offer(t testing.TB, l *ledger.Ledger, want ledger.Outcome, records ...ledger.Record) {
	t.Helper()
	for i, r := range records {
		got, err := l.Offer(r)
		if got != want {
			t.Fatalf("record %d of %d: outcome %v (%v), want %v", i+1, len(records), got, err, want)
		}
	}
}
