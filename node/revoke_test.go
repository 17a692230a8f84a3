package node

import (
	"crypto/ed25519"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/trust"
	"selvage/node/api"
)

// revoke has something revoked at a node, as 'selvage revoke' does.
func (f *fleet) revoke(at *machine, subject, id string) {
	f.t.Helper()
	d, err := at.Draft(subject, id, "")
	if err != nil {
		f.t.Fatal(err)
	}
	var r ledger.Revocation
	if err := json.Unmarshal(d.Revocation, &r); err != nil {
		f.t.Fatal(err)
	}
	r.Reason = "stolen"
	env, err := ledger.SignRevocation(r, f.operator)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := at.Publish(api.KindRevocation, marshalJSON(f.t, env)); err != nil {
		f.t.Fatal(err)
	}
}

func (m *machine) connectedTo(id ident.NodeID) bool {
	return slices.ContainsFunc(m.Status().Peers, func(p api.Peer) bool { return p.Node == id })
}

// TestRevokedNodeIsPutOut: connections drop, it learns of it and remembers, its workload runs on, and it gets nothing.
func TestRevokedNodeIsPutOut(t *testing.T) {
	t.Parallel()
	f := found(t)
	a1, a2, b1 := f.founder, f.join("a", "a2"), f.join("b", "b1")
	if _, err := f.seed(a1, "app@1", content(1, 50_000)); err != nil {
		t.Fatal(err)
	}
	f.deploy(a1, "app@1")
	for _, m := range f.machines {
		eventually(t, "app@1 runs", func() bool { return m.runs("app@1") })
	}
	id := b1.Status().Node
	f.revoke(a1, "node", "b1")
	eventually(t, "connections drop", func() bool { return !a1.connectedTo(id) && !a2.connectedTo(id) })
	eventually(t, "it knows", func() bool { return b1.Status().Revoked == "was revoked: stolen" && len(b1.Status().Peers) == 0 })
	if !b1.runs("app@1") {
		t.Error("its workload has stopped")
	}
	if _, err := f.seed(b1, "app@9", content(9, 100)); err == nil || !strings.Contains(err.Error(), "this node was revoked: stolen; what is published here reaches nobody") {
		t.Errorf("publishing at it: %v", err)
	}
	b1.stop()
	b1.start()
	if _, err := f.seed(a1, "app@2", content(2, 50_000)); err != nil {
		t.Fatal(err)
	}
	f.deploy(a1, "app@2")
	eventually(t, "the others run app@2", func() bool { return a1.runs("app@2") && a2.runs("app@2") })
	eventually(t, "its workload runs again", func() bool { return b1.runs("app@1") })
	if s := b1.Status(); s.Revoked == "" || len(s.Peers) > 0 || a1.connectedTo(id) || a2.connectedTo(id) {
		t.Errorf("after a restart: %q, %d peers", s.Revoked, len(s.Peers))
	}
	eventually(t, "the rollout is done without it", func() bool {
		r, err := a1.Rollout("app")
		return err == nil && r.Targets == 2 && r.Ready == 2 && r.Done
	})
}

// TestRevokedWhileAway: a node that was down when it was revoked is told by the first that it comes to, and can check it.
func TestRevokedWhileAway(t *testing.T) {
	t.Parallel()
	f := found(t)
	a1, a2 := f.founder, f.join("a", "a2")
	eventually(t, "a2 is known", func() bool { return len(a1.Nodes()) == 2 && a2.Status().Admitted })
	a2.stop()
	f.revoke(a1, "node", "a/a2")
	a2.start()
	eventually(t, "it knows", func() bool { return a2.Status().Revoked == "was revoked: stolen" })
	if a1.Nodes()[1].Quarantined != "was revoked: stolen" || !a1.Nodes()[1].Revoked || len(a1.Revocations()) != 1 {
		t.Errorf("a1 shows %+v", a1.Nodes()[1])
	}
}

// TestRevokedInvite: nobody joins with it any more; who had joined stays.
func TestRevokedInvite(t *testing.T) {
	t.Parallel()
	f := found(t)
	ticket := f.ticket("a", 3, time.Hour)
	inv, err := ticket.Peek()
	if err != nil {
		t.Fatal(err)
	}
	a2 := f.enrol(ticket, "a2", time.Now())
	a2.start()
	eventually(t, "a2 is known", func() bool { return len(f.founder.Nodes()) == 2 })
	f.revoke(f.founder, "invite", inv.Serial[:8])
	late := f.enrol(ticket, "late", time.Now())
	late.start()
	eventually(t, "late is refused", func() bool { return late.alerted("joined with a ticket that was revoked") })
	if n := f.founder.Nodes(); len(n) != 2 || n[1].Quarantined != "" {
		t.Errorf("the founder knows %+v", n)
	}
}

// TestRevokedKey: what it signed before stays in force, and nothing that it signs after.
func TestRevokedKey(t *testing.T) {
	f := found(t)
	c, ci := *f.chain.Latest(), newKey(t)
	id := trust.KeyID(ci.Public().(ed25519.PublicKey))
	c.Version, c.Keys, c.Roles = 2, maps.Clone(c.Keys), maps.Clone(c.Roles)
	c.Keys[id] = ci.Public().(ed25519.PublicKey)
	grant := c.Roles[trust.RoleRelease]
	grant.Keys = append(slices.Clone(grant.Keys), id)
	c.Roles[trust.RoleRelease] = grant
	env, err := trust.SignCharter(c, f.operator)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.founder.Publish(api.KindCharter, marshalJSON(t, env)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.seed(f.founder, "app@1", content(1, 100), ci); err != nil {
		t.Fatal(err)
	}
	f.revoke(f.founder, "key", id[:10])
	if _, err := f.seed(f.founder, "app@2", content(2, 100), ci); err == nil || !strings.Contains(err.Error(), "not signed by a key that holds the role") {
		t.Errorf("signed after: %v", err)
	}
	if r := f.founder.Releases(); len(r) != 1 || r[0].Release != "app@1" {
		t.Errorf("in force: %+v", r)
	}
}

// TestDraftErrors: what cannot be revoked, and why.
func TestDraftErrors(t *testing.T) {
	f := found(t)
	b1, b2 := f.join("b", "x1"), f.join("c", "x1")
	eventually(t, "all are known", func() bool { return len(f.founder.Nodes()) == 3 && b1.Node != nil && b2.Node != nil })
	for _, c := range []struct{ subject, id, want string }{
		{"node", "nobody", `no node is called "nobody" here`},
		{"node", "a1", "this node cannot revoke itself"},
		{"node", "x1", `"x1" could be b/x1 (`},
		{"key", "abcdef", `no charter names a key "abcdef"`},
		{"key", f.founder.Keys()[0].Key, "the charter cannot do without the key"},
		{"invite", "abcdef", `nobody has joined with an invite "abcdef"`},
		{"invite", strings.Repeat("x", 32), "is not the ID of a invite"},
		{"site", "b", "want node, key or invite"},
	} {
		if _, err := f.founder.Draft(c.subject, c.id, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.subject, c.id, err, c.want)
		}
	}
	if _, err := f.founder.Draft("node", "b/x1", ""); err != nil {
		t.Error(err)
	}
}
