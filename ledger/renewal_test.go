package ledger_test

import (
	"strings"
	"testing"
	"time"

	"selvage/ledger"
	"selvage/ledger/trust"
)

const day = 24 * time.Hour

// grantLife is how long the credentials that issuers of these tests give are good for.
const grantLife = 60 * day

// renewal is of a credential of 90 days, given when it has 20 left; change says what is otherwise.
func (f *fleet) renewal(of *author, serial string, by *author, change func(*trust.Renewal)) []byte {
	f.t.Helper()
	r := trust.Renewal{Fleet: f.id, Serial: serial, Node: of.id, Fence: 5, Ends: epoch.Add(90 * day), Issued: epoch.Add(70 * day), Expires: epoch.Add(130 * day)}
	if change != nil {
		change(&r)
	}
	r, err := trust.SignRenewal(r, by.key)
	must(f.t, err)
	return r.Marshal()
}

// issuing is a fleet with site s1, of which n0 may issue and n1 may not, and site s2 with n2.
type issuing struct {
	*fleet
	n0, n1, n2 *author
	admitted   []ledger.Record
	config     []byte
	digest     string // of the config
	serial     string // of n1
	n1Cred     trust.Credential
}

func newIssuing(t testing.TB, r roles) *issuing {
	s := &issuing{fleet: newFleet(t, r)}
	for name, n := range map[string]**author{"n0": &s.n0, "n2": &s.n2} {
		a, admitted := s.fleet.admitted(name, map[string]string{"n0": "s1", "n2": "s2"}[name])
		*n, s.admitted = a, append(s.admitted, admitted)
	}
	s.n1 = s.author("n1")
	body := s.n1.credential(s.ticket("s1", 1, "op"), 0)
	s.admitted = append(s.admitted, s.n1.write(ledger.KindAdmission, "", "", body))
	var err error
	s.n1Cred, err = trust.ParseCredential(body)
	must(t, err)
	s.serial = s.n1Cred.Serial()
	s.config, s.digest = s.site(s.grant(1), "op")
	return s
}

// grant is a site config that lets n0 issue for a year.
func (s *issuing) grant(generation uint64, supersedes ...string) ledger.SiteConfig {
	return ledger.SiteConfig{Site: "s1", Generation: generation, Supersedes: supersedes, Declared: epoch.Add(time.Hour),
		Issuers: []ledger.Issuer{{Node: s.n0.id, Life: trust.Lifetime(grantLife), Expires: epoch.Add(365 * day)}}}
}

// knows is a ledger that has what admits all, the grant, and more.
func (s *issuing) knows(more ...ledger.Record) *ledger.Ledger {
	s.t.Helper()
	l := s.watcher()
	offer(s.t, l, ledger.Stored, append(append(s.admitted[:len(s.admitted):len(s.admitted)], s.n2.backup(ledger.Durable).write(ledger.KindSiteConfig, "", "s1", s.config)), more...)...)
	return l
}

// good reports whether n1 is let in after so many days, and whether the list of nodes says so.
func (s *issuing) good(l *ledger.Ledger, days int) bool {
	s.t.Helper()
	now := epoch.Add(time.Duration(days) * day)
	_, err := l.Admit(s.n1Cred, now)
	n, _ := l.Node(s.n1.id)
	until, _, _ := n.GoodUntil(now)
	if listed := now.Before(until); n.Quarantined == "" && listed != (err == nil) {
		s.t.Errorf("on day %d: let in %v, listed until %v", days, err, until)
	}
	return err == nil
}

// TestRenewedMember: a renewal keeps a member in for as long as it says, whether the ledger holds it or the member shows it.
func TestRenewedMember(t *testing.T) {
	s := newIssuing(t, oneOperator())
	body := s.renewal(s.n1, s.serial, s.n0, nil)
	before := s.knows()
	if !s.good(before, 89) || s.good(before, 90) {
		t.Error("without a renewal it is good for 90 days")
	}
	l := s.knows(s.n0.write(ledger.KindRenewal, "", s.n1.id.String(), body))
	if !s.good(l, 129) || s.good(l, 130) {
		t.Error("with a renewal it is good until day 130")
	}
	r, err := trust.ParseRenewal(body, nil)
	must(t, err)
	if _, err := before.Admit(s.n1Cred.With(r), epoch.Add(100*day)); err != nil {
		t.Errorf("it shows its renewal: %v", err)
	}
	next := s.renewal(s.n1, s.serial, s.n0, func(r *trust.Renewal) {
		r.Ends, r.Issued, r.Expires = epoch.Add(130*day), epoch.Add(115*day), epoch.Add(175*day)
	})
	offer(t, l, ledger.Stored, s.n0.write(ledger.KindRenewal, "", s.n1.id.String(), next))
	if !s.good(l, 174) || s.good(l, 175) {
		t.Error("renewed again it is good until day 175")
	}
}

// TestLyingIssuers: what an issuer has no right to changes nothing, and the next honest renewal counts.
func TestLyingIssuers(t *testing.T) {
	s := newIssuing(t, oneOperator())
	for name, c := range map[string]struct {
		by     *author
		key    string
		change func(*trust.Renewal)
	}{
		"no issuer":           {s.n1, "", nil},
		"of another site":     {s.n2, "", nil},
		"longer than allowed": {s.n0, "", func(r *trust.Renewal) { r.Expires = r.Issued.Add(grantLife + day) }},
		"beyond the grant": {s.n0, "", func(r *trust.Renewal) {
			r.Issued, r.Ends, r.Expires = epoch.Add(310*day), epoch.Add(300*day), epoch.Add(366*day)
		}},
		"before it had the right": {s.n0, "", func(r *trust.Renewal) { r.Issued, r.Expires = epoch, epoch.Add(grantLife+31*day) }},
		"of another invite":       {s.n0, "", func(r *trust.Renewal) { r.Serial = strings.Repeat("0", 32) }},
		"of another fleet":        {s.n0, "", func(r *trust.Renewal) { r.Fleet = trust.FleetID{1} }},
		"long after it was gone":  {s.n0, "", func(r *trust.Renewal) { r.Issued, r.Expires = epoch.Add(111*day), epoch.Add(170*day) }},
		"under another's key":     {s.n0, s.n2.id.String(), nil},
		"of what ended earlier":   {s.n0, "", func(r *trust.Renewal) { r.Ends = epoch.Add(80 * day) }},
		"issued in a far tomorrow": {s.n0, "", func(r *trust.Renewal) {
			r.Issued, r.Ends, r.Expires = epoch.Add(125*day), epoch.Add(120*day), epoch.Add(180*day)
		}},
	} {
		by := c.by.backup(ledger.Register)
		key := c.key
		if key == "" {
			key = s.n1.id.String()
		}
		body := s.renewal(s.n1, s.serial, by, c.change)
		l := s.knows(by.write(ledger.KindRenewal, "", key, body))
		if s.good(l, 112) {
			t.Errorf("%s: counts", name)
		}
		if c.key == "" {
			if r, err := trust.ParseRenewal(body, nil); err != nil {
				t.Error(err)
			} else if _, err := s.knows().Admit(s.n1Cred.With(r), epoch.Add(112*day)); err == nil {
				t.Errorf("%s: counts when it is shown", name)
			}
		}
		if c.by != s.n0 || name == "under another's key" {
			continue
		}
		offer(t, l, ledger.Stored, by.write(ledger.KindRenewal, "", s.n1.id.String(), s.renewal(s.n1, s.serial, s.n0, nil)))
		if !s.good(l, 112) {
			t.Errorf("%s: the honest renewal after it does not count", name)
		}
	}
}

// TestIssuerOfAnotherSite: whom operators have named for one site cannot renew at another.
func TestIssuerOfAnotherSite(t *testing.T) {
	s := newIssuing(t, oneOperator())
	cred, err := trust.ParseCredential(s.n2.credential(s.ticket("s2", 1, "op"), 0))
	must(t, err)
	l := s.knows(s.n0.write(ledger.KindRenewal, "", s.n2.id.String(), s.renewal(s.n2, cred.Serial(), s.n0, nil)))
	r, err := trust.ParseRenewal(s.renewal(s.n2, cred.Serial(), s.n0, nil), nil)
	must(t, err)
	if _, err := l.Admit(cred.With(r), epoch.Add(100*day)); err == nil {
		t.Error("a node of s2 is renewed by the issuer of s1")
	}
}

// TestOlderFence: who led before changes nothing of what who leads now has said, however long it says.
func TestOlderFence(t *testing.T) {
	s := newIssuing(t, oneOperator())
	both := s.grant(1)
	both.Issuers = append(both.Issuers, ledger.Issuer{Node: s.n1.id, Life: trust.Lifetime(grantLife), Expires: epoch.Add(365 * day)})
	s.config, _ = s.site(both, "op")
	now := s.renewal(s.n1, s.serial, s.n0, func(r *trust.Renewal) { r.Fence, r.Expires = 9, epoch.Add(110*day) })
	old := s.renewal(s.n1, s.serial, s.n1, func(r *trust.Renewal) { r.Fence, r.Issued, r.Expires = 8, epoch.Add(75*day), epoch.Add(135*day) })
	l := s.knows(s.n0.write(ledger.KindRenewal, "", s.n1.id.String(), now), s.n1.write(ledger.KindRenewal, "", s.n1.id.String(), old))
	n, _ := l.Node(s.n1.id)
	if until, r, _ := n.GoodUntil(epoch.Add(80 * day)); r.Fence != 9 || !until.Equal(epoch.Add(110*day)) {
		t.Errorf("good until %v by fence %d", until, r.Fence)
	}
	r, err := trust.ParseRenewal(old, nil)
	must(t, err)
	if m, err := l.Admit(s.n1Cred.With(r), epoch.Add(80*day)); err != nil || !m.Expires.Equal(epoch.Add(110*day)) {
		t.Errorf("it shows the older one: until %v, %v", m.Expires, err)
	}
}

// TestNobodyRenewsTheRevoked: a revoked or quarantined member stays out, whatever renewal there is.
func TestNobodyRenewsTheRevoked(t *testing.T) {
	s := newIssuing(t, oneOperator())
	renewal := s.n0.write(ledger.KindRenewal, "", s.n1.id.String(), s.renewal(s.n1, s.serial, s.n0, nil))
	l := s.knows(renewal, s.n0.revoked(ofNode(s.n1, "s1"), "op"))
	if s.good(l, 100) {
		t.Error("a revoked node is let in")
	}
	is := s.grant(1).Issuers[0]
	n, _ := l.Node(s.n1.id)
	if _, _, ok := n.RenewalDue(is, epoch.Add(85*day)); ok {
		t.Error("a revoked node is to be renewed")
	}
	fork := s.n1.backup(ledger.Register)
	l = s.knows(renewal, s.n1.write(ledger.KindReport, "", "a", nil), fork.write(ledger.KindReport, "", "b", nil))
	if n, _ = l.Node(s.n1.id); n.Quarantined == "" || s.good(l, 100) {
		t.Error("a forked node is let in")
	}
	if _, _, ok := n.RenewalDue(is, epoch.Add(85*day)); ok {
		t.Error("a forked node is to be renewed")
	}
}

// TestGrantEnds: a right ends with the issuer's revocation, with that of the operator's key though that keeps the config, and with the
// next config that does not repeat it. What was renewed before that stands.
func TestGrantEnds(t *testing.T) {
	s := newIssuing(t, oneOperator().with(trust.RoleAdmit, 1, "op", "other"))
	s.config, s.digest = s.site(s.grant(1), "other")
	early := func(r *trust.Renewal) {}
	late := func(r *trust.Renewal) { r.Issued, r.Expires = epoch.Add(80*day), epoch.Add(140*day) }
	end := epoch.Add(75 * day)
	node := ofNode(s.n0, "s1")
	node.Declared = end
	key := ledger.Revocation{Subject: ledger.SubjectKey, ID: keyID("other"), Keeps: []string{s.digest}, Declared: end}
	none := s.grant(2, s.digest)
	none.Issuers, none.Declared = nil, end
	next, _ := s.site(none, "op")
	by := func() *author { return s.n2.backup(ledger.Durable, ledger.Urgent) }
	for name, more := range map[string]func() ledger.Record{
		"the issuer is revoked": func() ledger.Record { return by().revoked(node, "op") },
		"the key is revoked":    func() ledger.Record { return by().revoked(key, "op") },
		"another config": func() ledger.Record {
			b := by()
			b.write(ledger.KindSiteConfig, "", "s1", s.config)
			return b.write(ledger.KindSiteConfig, "", "s1", next)
		},
	} {
		for _, c := range []struct {
			change func(*trust.Renewal)
			want   bool
		}{{early, true}, {late, false}} {
			n0 := s.n0.backup(ledger.Register)
			renewal := n0.write(ledger.KindRenewal, "", s.n1.id.String(), s.renewal(s.n1, s.serial, n0, c.change))
			for _, order := range [][]ledger.Record{{renewal, more()}, {more(), renewal}} {
				if got := s.good(s.knows(order...), 120); got != c.want {
					t.Errorf("%s: issued late is %v, counts %v", name, !c.want, got)
				}
			}
		}
		l := s.knows(more())
		if _, ok := l.MayIssue(s.n0.id, "s1", end.Add(day)); ok {
			t.Errorf("%s: it may issue", name)
		}
	}
	if _, ok := s.knows().MayIssue(s.n0.id, "s1", end.Add(day)); !ok {
		t.Error("it may not issue at all")
	}
}

// TestRenewalDue: in the last third of a credential's life, and for a grace after it; not for what gains nothing.
func TestRenewalDue(t *testing.T) {
	is := ledger.Issuer{Life: trust.Lifetime(30 * day), Expires: epoch.Add(200 * day)}
	m := ledger.Node{Member: trust.Member{Expires: epoch.Add(90 * day), Life: 90 * day}}
	due, until, ok := m.RenewalDue(is, epoch.Add(70*day))
	if !ok || !due.Equal(epoch.Add(60*day)) || !until.Equal(epoch.Add(100*day)) {
		t.Errorf("due %v, until %v, %v", due, until, ok)
	}
	for at, want := range map[int]bool{50: false, 61: true, 99: true, 100: true, 101: false, 199: false} {
		if _, _, ok := m.RenewalDue(is, epoch.Add(time.Duration(at)*day)); ok != want {
			t.Errorf("on day %d: %v", at, ok)
		}
	}
	m.Renewals = []trust.Renewal{{Issued: epoch.Add(165 * day), Expires: epoch.Add(195 * day)}}
	if due, until, ok := m.RenewalDue(is, epoch.Add(190*day)); !ok || !due.Equal(epoch.Add(185*day)) || !until.Equal(epoch.Add(200*day)) {
		t.Errorf("near the end of the right: due %v, until %v, %v", due, until, ok)
	}
}
