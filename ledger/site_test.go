package ledger_test

import (
	"slices"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger"
	"selvage/ledger/trust"
)

// TestWhoSpeaksForASite: a site config counts if those signed it who may admit to the site; it speaks for one fleet.
func TestWhoSpeaksForASite(t *testing.T) {
	r := oneOperator()
	r.scope[trust.RoleAdmit] = []string{"site:eu-*"}
	f := newFleet(t, r)
	a, admitted := f.admitted("a", "eu-1")
	for name, c := range map[string]struct {
		config ledger.SiteConfig
		signer string
		counts bool
	}{
		"in scope":          {ledger.SiteConfig{Site: "eu-1"}, "op", true},
		"out of scope":      {ledger.SiteConfig{Site: "us-1"}, "op", false},
		"by a stranger":     {ledger.SiteConfig{Site: "eu-1"}, "stranger", false},
		"for another fleet": {ledger.SiteConfig{Site: "eu-1", Fleet: trust.FleetID{1}}, "op", false},
	} {
		c.config.Generation, c.config.Declared, c.config.Witnesses = 1, epoch, []ident.NodeID{a.id}
		body, _ := f.site(c.config, c.signer)
		l := f.watcher()
		b := a.backup(ledger.Durable)
		offer(t, l, ledger.Stored, admitted, b.write(ledger.KindSiteConfig, "", "", body))
		if got := len(l.SiteConfig(c.config.Site).Witnesses) == 1; got != c.counts {
			t.Errorf("%s: counts %v, want %v", name, got, c.counts)
		}
	}
}

// TestSiteConfigsFollow: a config takes the place of what it supersedes; of two that were signed apart all nodes follow the same, and
// the next draft takes the place of both. What a revoked key signed counts no more, unless that is kept.
func TestSiteConfigsFollow(t *testing.T) {
	f := newFleet(t, oneOperator().with(trust.RoleAdmit, 1, "op", "stolen"))
	a, admitted := f.admitted("a", "s1")
	w1, w2, w3 := f.author("w1").id, f.author("w2").id, f.author("w3").id
	config := func(generation uint64, w ident.NodeID, supersedes ...string) ledger.SiteConfig {
		return ledger.SiteConfig{Site: "s1", Generation: generation, Supersedes: supersedes, Declared: epoch.Add(time.Hour), Witnesses: []ident.NodeID{w}}
	}
	l := f.watcher()
	say := func(c ledger.SiteConfig, signer string) string {
		body, digest := f.site(c, signer)
		offer(t, l, ledger.Stored, a.write(ledger.KindSiteConfig, "", "", body))
		return digest
	}
	follows := func(what string, heads int, w ident.NodeID) {
		t.Helper()
		if got := l.SiteConfig("s1"); len(got.Heads) != heads || !slices.Equal(got.Witnesses, []ident.NodeID{w}) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	offer(t, l, ledger.Stored, admitted)
	first := say(config(1, w1), "op")
	say(config(2, w2, first), "op")
	follows("the second", 1, w2)
	apart := say(config(3, w3, first), "stolen")
	follows("signed apart", 2, w3)
	next := l.DraftSite("s1")
	if next.Generation != 4 || len(next.Supersedes) != 2 || !slices.Equal(next.Witnesses, []ident.NodeID{w3}) {
		t.Errorf("the draft is %+v", next)
	}
	revocation := ledger.Revocation{Subject: ledger.SubjectKey, ID: keyID("stolen")}
	offer(t, l, ledger.Stored, a.revoked(revocation, "op"))
	follows("signed by a revoked key", 1, w2)
	revocation.Keeps = []string{apart}
	offer(t, l, ledger.Stored, a.revoked(revocation, "op"))
	follows("and kept", 2, w3)
}

// TestSiteConfigForm: what no operator means is refused before it is signed.
func TestSiteConfigForm(t *testing.T) {
	good := func() ledger.SiteConfig {
		return ledger.SiteConfig{Site: "s1", Generation: 1, Declared: epoch}
	}
	node := ident.FromPrivateKey(keyOf("x"))
	for name, spoil := range map[string]func(*ledger.SiteConfig){
		"no site":           func(c *ledger.SiteConfig) { c.Site = "" },
		"generation 0":      func(c *ledger.SiteConfig) { c.Generation = 0 },
		"no time":           func(c *ledger.SiteConfig) { c.Declared = time.Time{} },
		"no digest":         func(c *ledger.SiteConfig) { c.Supersedes = []string{"x"} },
		"a witness twice":   func(c *ledger.SiteConfig) { c.Witnesses = []ident.NodeID{node, node} },
		"no node":           func(c *ledger.SiteConfig) { c.Witnesses = []ident.NodeID{{}} },
		"too many":          func(c *ledger.SiteConfig) { c.Witnesses = make([]ident.NodeID, ledger.MaxWitnesses+1) },
		"an issuer for 0 s": func(c *ledger.SiteConfig) { c.Issuers = []ledger.Issuer{{Node: node, Expires: epoch.Add(1)}} },
		"over already": func(c *ledger.SiteConfig) {
			c.Issuers = []ledger.Issuer{{Node: node, Life: trust.DefaultLifetime, Expires: epoch}}
		},
		"for ever": func(c *ledger.SiteConfig) {
			c.Issuers = []ledger.Issuer{{Node: node, Life: trust.Lifetime(1000 * 24 * time.Hour), Expires: epoch.Add(time.Hour)}}
		},
	} {
		c := good()
		spoil(&c)
		if _, err := ledger.SignSite(c, keyOf("op")); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
	if _, err := ledger.SignSite(good(), keyOf("op")); err != nil {
		t.Error(err)
	}
}
