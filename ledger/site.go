package ledger

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"selvage/internal/canon"
	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// TypeSite is the type of a site config's envelope.
const TypeSite = "application/vnd.selvage.site+json"

// Bounds of a site config.
const (
	MaxWitnesses = 4
	MaxIssuers   = 16
	maxGrantLife = 400 * 24 * time.Hour
)

// SiteConfig is what operators want of a site as such. One that names heads of the same site as superseded takes their place; what
// is to stay of them it says again.
type SiteConfig struct {
	Fleet      trust.FleetID  `json:"fleet"`
	Site       string         `json:"site"`
	Generation uint64         `json:"generation"` // one more than the highest that it supersedes
	Supersedes []string       `json:"supersedes"` // digests of the statements that it takes the place of
	Declared   time.Time      `json:"declared"`
	Witnesses  []ident.NodeID `json:"witnesses"` // nodes of other sites that may vote on who leads, if this one has too few
	Issuers    []Issuer       `json:"issuers"`   // nodes of the site that may renew credentials of its members
}

// Issuer is the right of a node to renew the credentials of its site's members, while it leads the site.
type Issuer struct {
	Node    ident.NodeID   `json:"node"`
	Life    trust.Lifetime `json:"life"`    // of a renewed credential, at most
	Expires time.Time      `json:"expires"` // the right ends, and no renewed credential is good for longer
}

// SignSite signs a site config as an operator, or several.
func SignSite(c SiteConfig, keys ...ed25519.PrivateKey) (trust.Envelope, error) {
	if err := c.check(); err != nil {
		return trust.Envelope{}, fmt.Errorf("site config: %w", err)
	}
	return signJSON(TypeSite, c, keys)
}

// DecodeSite reads the payload of a site config, strictly. Who signed it is not asked.
func DecodeSite(payload []byte) (SiteConfig, error) {
	var c SiteConfig
	if err := canon.ReadJSON(payload, &c); err != nil {
		return SiteConfig{}, fmt.Errorf("decode site config: %w", err)
	}
	return c, c.check()
}

func (c SiteConfig) check() error {
	if c.Site == "" || !scopeForm.MatchString(c.Site) {
		return fmt.Errorf("%.80q cannot name a site", c.Site)
	}
	if c.Generation < 1 || c.Declared.IsZero() || len(c.Supersedes) > maxHeads {
		return errors.New("generation, time, or number of superseded statements out of bounds")
	}
	for _, s := range c.Supersedes {
		if !hexForm.MatchString(s) {
			return errors.New("supersedes something that is no digest")
		}
	}
	if len(c.Witnesses) > MaxWitnesses || len(c.Issuers) > MaxIssuers {
		return fmt.Errorf("%d witnesses and %d issuers, at most %d and %d", len(c.Witnesses), len(c.Issuers), MaxWitnesses, MaxIssuers)
	}
	return c.checkNodes()
}

// checkNodes wants each node once.
func (c SiteConfig) checkNodes() error {
	for i, w := range c.Witnesses {
		if w.IsZero() || slices.Contains(c.Witnesses[:i], w) {
			return errors.New("a witness that is no node, or is named twice")
		}
	}
	for i, is := range c.Issuers {
		switch {
		case is.Node.IsZero() || slices.ContainsFunc(c.Issuers[:i], func(o Issuer) bool { return o.Node == is.Node }):
			return errors.New("an issuer that is no node, or is named twice")
		case is.Life <= 0 || time.Duration(is.Life) > maxGrantLife:
			return fmt.Errorf("an issuer of credentials that last %s", time.Duration(is.Life))
		case !is.Expires.After(c.Declared):
			return errors.New("an issuer's right that ends before it is given")
		}
	}
	return nil
}

// Issuer returns the right of a node, if it has one.
func (c SiteConfig) Issuer(id ident.NodeID) (Issuer, bool) {
	i := slices.IndexFunc(c.Issuers, func(is Issuer) bool { return is.Node == id })
	if i < 0 {
		return Issuer{}, false
	}
	return c.Issuers[i], true
}

// SiteState is what operators want of a site. Its zero value is that of a site of which they have said nothing.
type SiteState struct {
	SiteConfig          // the head that all nodes follow
	Digest     string   // of its statement
	Heads      []string // all that nothing supersedes; more than one is a conflict
	Signers    []string
}

// SiteConfigs returns what operators want of sites, by site.
func (l *Ledger) SiteConfigs() []SiteState { return slices.Clone(l.view().sites) }

// SiteConfig returns what operators want of one site.
func (l *Ledger) SiteConfig(site string) SiteState {
	for _, s := range l.view().sites {
		if s.Site == site {
			return s
		}
	}
	return SiteState{}
}

// DraftSite returns the config that would take the place of what is wanted of a site, and wants the same, for somebody to change and sign.
func (l *Ledger) DraftSite(site string) SiteConfig {
	old := l.SiteConfig(site)
	next := old.SiteConfig
	next.Fleet, next.Site, next.Generation, next.Supersedes = l.cfg.Fleet, site, old.Generation+1, append([]string{}, old.Heads...)
	next.Declared = l.Now().UTC().Truncate(time.Millisecond)
	next.Witnesses, next.Issuers = append([]ident.NodeID{}, old.Witnesses...), append([]Issuer{}, old.Issuers...)
	return next
}

// siteConfigs lists what is wanted of sites. Of several heads all nodes follow the one that deployments would.
func (f *fold) siteConfigs() []SiteState {
	if f.siteList != nil {
		return f.siteList
	}
	out := []SiteState{}
	for _, all := range f.valid(KindSiteConfig, func(s *statement) string { return s.site.Site }) {
		heads := headsOf(all)
		if len(heads) == 0 {
			continue
		}
		out = append(out, SiteState{SiteConfig: heads[0].site, Digest: heads[0].digest, Heads: digestsOf(heads), Signers: heads[0].signers})
	}
	slices.SortFunc(out, func(a, b SiteState) int { return strings.Compare(a.Site, b.Site) })
	f.siteList = out
	return out
}

// headsOf returns the statements that none of the others supersedes, the one that all nodes follow first: that of the highest
// generation, the latest declared, the highest digest, in this order.
func headsOf(all []*statement) []*statement {
	superseded := map[string]bool{}
	for _, s := range all {
		_, supersedes := s.order()
		for _, d := range supersedes {
			superseded[d] = true
		}
	}
	heads := slices.DeleteFunc(slices.Clone(all), func(s *statement) bool { return superseded[s.digest] })
	slices.SortFunc(heads, func(a, b *statement) int {
		ga, _ := a.order()
		gb, _ := b.order()
		return -cmp.Or(cmp.Compare(ga, gb), a.time().Compare(b.time()), strings.Compare(a.digest, b.digest))
	})
	return heads
}

// order returns what places a statement among others of its name.
func (s *statement) order() (generation uint64, supersedes []string) {
	if s.kind == KindSiteConfig {
		return s.site.Generation, s.site.Supersedes
	}
	return s.deployment.Generation, s.deployment.Supersedes
}

func digestsOf(all []*statement) (out []string) {
	for _, s := range all {
		out = append(out, s.digest)
	}
	return out
}
