package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"selvage/ledger"
	"selvage/ledger/trust"
)

// revoked writes a revocation by a member and returns the record.
func (a *author) revoked(r ledger.Revocation, signers ...string) ledger.Record {
	a.f.t.Helper()
	body, _ := a.f.revoke(r, signers...)
	return a.write(ledger.KindRevocation, "", "", body)
}

func ofNode(a *author, site string) ledger.Revocation {
	return ledger.Revocation{Subject: ledger.SubjectNode, ID: a.id.String(), Site: site, Reason: "stolen"}
}

func quarantined(t testing.TB, l *ledger.Ledger, a *author, want string) {
	t.Helper()
	if n, _ := l.Node(a.id); n.Quarantined != want || n.Revoked != strings.HasPrefix(want, "was revoked") {
		t.Errorf("%s: %q (revoked %v), want %q", a.name, n.Quarantined, n.Revoked, want)
	}
}

// TestRevokedNode: nothing that it says of itself counts, whenever it said it; what operators signed does, though it
// came in its feed; and it is not let in.
func TestRevokedNode(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admitted := f.admitted("a", "s1")
	b := f.author("b")
	credential := b.credential(f.ticket("s1", 1, "op"), 0)
	l := f.watcher()
	offer(t, l, ledger.Stored, admitted, b.write(ledger.KindAdmission, "", "", credential), b.write(ledger.KindReport, "", "report", []byte("b")),
		b.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "op")), a.revoked(ofNode(b, "s1"), "op"))
	offer(t, l, ledger.Stored, b.writeAt(epoch.Add(-time.Hour), ledger.KindReport, "", "later", []byte("dated back")))
	quarantined(t, l, b, "was revoked: stolen")
	quarantined(t, l, a, "")
	if got := l.Reports(); len(got) != 0 {
		t.Errorf("%d reports count", len(got))
	}
	if _, ok := l.Release("app@1"); !ok {
		t.Error("the operator's release is gone")
	}
	cred, err := trust.ParseCredential(credential)
	must(t, err)
	_, err = l.Admit(cred, epoch.Add(time.Hour))
	var revoked *ledger.RevokedError
	if !errors.As(err, &revoked) || revoked.Text != "node was revoked: stolen" {
		t.Fatalf("at the door: %v", err)
	}
	if _, err := f.watcher().Judge(ledger.KindRevocation, revoked.Envelope); err != nil {
		t.Errorf("the proof does not hold: %v", err)
	}
}

// TestRevocationOvertakes: one is taken though its author's other entries are missing.
func TestRevocationOvertakes(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admitted := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "op"))
	l := f.watcher()
	record := a.revoked(ofNode(b, ""), "op")
	offer(t, l, ledger.Stored, admitted, other, record)
	quarantined(t, l, b, "was revoked: stolen")
	if !ledger.Overtakes(record.Feed) || ledger.Overtakes(admitted.Feed) {
		t.Error("what overtakes is not told from what does not")
	}
}

// TestWhoRevokes: nodes and invites, who may admit to their site; keys, root.
func TestWhoRevokes(t *testing.T) {
	r := oneOperator().with(trust.RoleAdmit, 1, "op", "eu").with(trust.RoleRoot, 2, "op", "root")
	f := newFleet(t, r)
	eu := r.with(trust.RoleAdmit, 1, "eu")
	eu.scope[trust.RoleAdmit] = []string{"site:eu-*"}
	second := signCharter(t, eu.charter(2), "op", "root")
	a, admitted := f.admitted("a", "eu-1")
	b, other := f.admitted("b", "us-1")
	for name, c := range map[string]struct {
		record ledger.Record
		counts bool
	}{
		"in scope":                   {a.revoked(ofNode(a, "eu-1"), "eu"), true},
		"a site that it is not of":   {a.revoked(ofNode(b, "eu-1"), "eu"), false},
		"by nobody":                  {a.revoked(ofNode(b, "us-1"), "stranger"), false},
		"of another fleet":           {a.revoked(ledger.Revocation{Fleet: trust.FleetID{1}, Subject: ledger.SubjectNode, ID: b.id.String()}, "op"), false},
		"a key, by one of two roots": {a.revoked(ledger.Revocation{Subject: ledger.SubjectKey, ID: keyID("eu")}, "op"), false},
		"a key, by both":             {a.revoked(ledger.Revocation{Subject: ledger.SubjectKey, ID: keyID("eu")}, "op", "root"), true},
	} {
		l := f.watcher()
		must(t, l.Learn(append(slices.Clone(f.chain), second)))
		r := c.record
		e, err := ledger.Decode(r.Data)
		must(t, err)
		alone := f.author(name).aloneFor(a, e)
		offer(t, l, ledger.Stored, admitted, other, alone)
		anybody := false
		for _, n := range l.Nodes() {
			anybody = anybody || n.Revoked
		}
		for _, k := range l.Keys() {
			anybody = anybody || k.Revoked
		}
		if anybody != c.counts {
			t.Errorf("%s: counts %v, want %v", name, anybody, c.counts)
		}
	}
}

// aloneFor returns an entry as the first of its author's urgent feed.
func (a *author) aloneFor(by *author, e *ledger.Entry) ledger.Record {
	e.Seq, e.Prev = 1, nil
	return a.f.record(e, by.key)
}

// TestRevocationOutlastsSigner: a charter without the key that signed it does not bring the node back, a revocation of
// that key does, unless it keeps this.
func TestRevocationOutlastsSigner(t *testing.T) {
	r := oneOperator().with(trust.RoleAdmit, 1, "op", "left")
	f := newFleet(t, r)
	a, admitted := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	body, digest := f.revoke(ofNode(b, "s1"), "left")
	l := f.watcher()
	offer(t, l, ledger.Stored, admitted, other, a.write(ledger.KindRevocation, "", "", body))
	must(t, l.Learn(append(slices.Clone(f.chain), signCharter(t, oneOperator().charter(2), "op"))))
	quarantined(t, l, b, "was revoked: stolen")
	key := ledger.Revocation{Subject: ledger.SubjectKey, ID: keyID("left")}
	offer(t, l, ledger.Stored, a.revoked(key, "op"))
	quarantined(t, l, b, "")
	key.Keeps = []string{digest}
	offer(t, l, ledger.Stored, a.revoked(key, "op"))
	quarantined(t, l, b, "was revoked: stolen")
}

// TestRevokedInvite: who had joined stays, also if somebody dates his joining back before theirs; nobody else comes in.
func TestRevokedInvite(t *testing.T) {
	f := newFleet(t, oneOperator())
	ticket := f.ticket("s1", 1, "op")
	inv, err := ticket.Peek()
	must(t, err)
	a, thief, late := f.author("a"), f.author("thief"), f.author("late")
	l := f.watcher()
	offer(t, l, ledger.Stored, a.write(ledger.KindAdmission, "", "", a.credential(ticket, 2*time.Hour)))
	draft, left, err := l.Draft(ledger.SubjectInvite, inv.Serial, "s1")
	if err != nil || left != 0 || !slices.Equal(draft.Keeps, []string{a.id.String()}) {
		t.Fatalf("draft %+v, %d left, %v", draft, left, err)
	}
	draft.Declared = epoch
	offer(t, l, ledger.Stored, a.revoked(draft, "op"), thief.write(ledger.KindAdmission, "", "", thief.credential(ticket, time.Hour)))
	quarantined(t, l, a, "")
	quarantined(t, l, thief, "joined with a ticket that was revoked")
	cred, err := trust.ParseCredential(late.credential(ticket, 0))
	must(t, err)
	if _, err := l.Admit(cred, epoch.Add(time.Hour)); err == nil || err.Error() != "node joined with a ticket that was revoked" {
		t.Errorf("at the door: %v", err)
	}
}

// TestRevokedKey: what the revocation keeps stays in force, and nothing else that the key signed, whatever its date.
func TestRevokedKey(t *testing.T) {
	r := operators(1, "op", "ci")
	f := newFleet(t, r)
	a := f.author("a")
	b := f.author("b")
	l := f.watcher()
	early := ledger.Deployment{Name: "app", Generation: 1, Declared: epoch}
	deployed, digest := f.deploy(early, "ci")
	offer(t, l, ledger.Stored, a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s1", 1, "ci"), 0)),
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "ci")), a.write(ledger.KindRelease, "", "", f.release("app", "2", "y", 0, "ci", "op")),
		a.write(ledger.KindDeployment, "", "", deployed))
	draft, left, err := l.Draft(ledger.SubjectKey, keyID("ci"), "")
	if err != nil || left != 0 || len(draft.Keeps) != 3 || draft.Keeps[1] != digest {
		t.Fatalf("draft %+v, %d left, %v", draft, left, err)
	}
	offer(t, l, ledger.Stored, a.revoked(draft, "op"),
		a.write(ledger.KindRelease, "", "", f.release("app", "0", "z", -time.Hour, "ci")),
		b.write(ledger.KindAdmission, "", "", b.credential(f.ticket("s1", 1, "ci"), 0)))
	quarantined(t, l, a, "")
	quarantined(t, l, b, "was invited by a key that was revoked")
	var refs []string
	for _, r := range l.Releases() {
		refs = append(refs, r.Ref())
	}
	if !slices.Equal(refs, []string{"app@1", "app@2"}) || len(l.Deployments()) != 1 {
		t.Errorf("in force: %v, %d deployments", refs, len(l.Deployments()))
	}
}

// TestIndispensableKey: the key that a role cannot do without is not drafted away.
func TestIndispensableKey(t *testing.T) {
	f := newFleet(t, operators(1, "op", "ci").with(trust.RoleRoot, 1, "op"))
	l := f.watcher()
	if _, _, err := l.Draft(ledger.SubjectKey, keyID("op"), ""); !errors.Is(err, ledger.ErrLastKey) || !strings.Contains(err.Error(), "role root would have 0 of the 1") {
		t.Errorf("the last root key: %v", err)
	}
	if _, _, err := l.Draft(ledger.SubjectKey, keyID("ci"), ""); err != nil {
		t.Error(err)
	}
}

// TestRevocationForm: what is out of form or bounds is refused.
func TestRevocationForm(t *testing.T) {
	node := keyedNode("x")
	for name, c := range map[string]struct{ old, new string }{
		"good":            {"", ""},
		"subject":         {`"subject":"node"`, `"subject":"site"`},
		"ID":              {node, "12D3KooW"},
		"site":            {`"site":"s1"`, `"site":"S 1"`},
		"keeps":           {`"keeps":[]`, `"keeps":["` + node + `"]`},
		"too many":        {`"keeps":[]`, `"keeps":["` + strings.Repeat(node+`","`, ledger.MaxKeeps) + node + `"]`},
		"reason of lines": {`"reason":"stolen"`, `"reason":"a\nb"`},
		"long reason":     {`"stolen"`, `"` + strings.Repeat("x", 257) + `"`},
		"no time":         {"2026-03-01T12:00:00Z", "0001-01-01T00:00:00Z"},
		"unknown field":   {`"site"`, `"sight"`},
		"serial":          {`"subject":"node"`, `"subject":"invite"`},
		"site of a key":   {`"subject":"node","id":"` + node, `"subject":"key","id":"` + keyID("op")},
	} {
		good := `{"fleet":"` + strings.Repeat("00", 32) + `","subject":"node","id":"` + node + `","site":"s1","keeps":[],"reason":"stolen","declared":"2026-03-01T12:00:00Z"}`
		_, err := ledger.DecodeRevocation([]byte(strings.Replace(good, c.old, c.new, 1)))
		if (err == nil) != (name == "good") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func keyedNode(name string) string { return (&fleet{}).author(name).id.String() }
