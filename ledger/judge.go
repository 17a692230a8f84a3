package ledger

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// statement is something that operators may have signed.
type statement struct {
	kind       Kind
	digest     string
	payload    []byte
	release    Release
	deployment Deployment
	revocation Revocation
	site       SiteConfig

	envelope trust.Envelope            // as it was read; dropped once it was shown
	good     map[string]dsse.Signature // those that hold, by key ID
	unknown  map[dsse.Signature]bool   // those by keys that no charter has named yet
	shown    map[string]int            // how many each feed showed
	carriers map[ident.NodeID]bool     // in whose feeds it is; of one that was forked, on the branch that came first only
	signers  []string                  // whose signatures make it count (see fold.verify); none: it does not
}

// maxShown is how many signatures of one statement are taken from one feed. The bound is each
// feed's own, so nobody can crowd out the good ones that others show.
const maxShown = 64

func (s *statement) payloadType() string {
	switch s.kind {
	case KindRelease:
		return TypeRelease
	case KindRevocation:
		return TypeRevocation
	case KindSiteConfig:
		return TypeSite
	}
	return TypeDeployment
}

// authority returns the role that a statement needs and the name that its scope is matched with.
func (s *statement) authority() (trust.Role, string) {
	switch {
	case s.kind == KindRelease:
		return trust.RoleRelease, s.release.Name
	case s.kind == KindRevocation && s.revocation.Subject == SubjectKey:
		return trust.RoleRoot, ""
	case s.kind == KindRevocation:
		return trust.RoleAdmit, "site:" + s.revocation.Site
	case s.kind == KindSiteConfig:
		return trust.RoleAdmit, "site:" + s.site.Site
	}
	return trust.RoleDeploy, s.deployment.Name
}

// fleet returns the fleet that a statement names, if its kind names one.
func (s *statement) fleet() (id trust.FleetID, named bool) {
	switch s.kind {
	case KindRevocation:
		return s.revocation.Fleet, true
	case KindSiteConfig:
		return s.site.Fleet, true
	}
	return trust.FleetID{}, false
}

func (s *statement) time() time.Time {
	switch s.kind {
	case KindRelease:
		return s.release.Created
	case KindRevocation:
		return s.revocation.Declared
	case KindSiteConfig:
		return s.site.Declared
	}
	return s.deployment.Declared
}

// readStatement decodes the body of a statement's entry, which nobody has judged yet.
func readStatement(kind Kind, body []byte) (*statement, error) {
	env, err := readEnvelope(body)
	if err != nil {
		return nil, fmt.Errorf("read envelope: %w", err)
	}
	payload, err := env.DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("read envelope: %w", err)
	}
	s := &statement{kind: kind, digest: digestOf(payload), payload: payload, envelope: env,
		good: map[string]dsse.Signature{}, unknown: map[dsse.Signature]bool{}, shown: map[string]int{}, carriers: map[ident.NodeID]bool{}}
	switch kind {
	case KindRelease:
		s.release, err = DecodeRelease(payload)
	case KindDeployment:
		s.deployment, err = DecodeDeployment(payload)
	case KindRevocation:
		s.revocation, err = DecodeRevocation(payload)
	case KindSiteConfig:
		s.site, err = DecodeSite(payload)
	default:
		return nil, fmt.Errorf("%s is no statement", kind)
	}
	if err == nil && env.PayloadType != s.payloadType() {
		err = errType
	}
	return s, err
}

// addStatement takes a statement. Several operators can sign one payload each on their own: the
// signatures that come with any entry add up.
func (f *fold) addStatement(e *Entry) {
	s, err := readStatement(e.Kind, e.Body)
	if err != nil {
		return
	}
	feed := e.Feed().Key()
	if known, ok := f.statements[s.digest]; ok {
		known.envelope = s.envelope
		s = known
	}
	s.carriers[e.Author] = true
	s.show(feed, f.charters.keys)
	f.keep(s)
	f.judge(s)
}

// mergeStatement takes a statement for its signatures that hold.
func (f *fold) mergeStatement(s *statement) {
	s.unknown, s.shown = map[dsse.Signature]bool{}, map[string]int{}
	if known, ok := f.statements[s.digest]; ok {
		maps.Copy(known.good, s.good)
		s = known
	}
	f.keep(s)
	f.judge(s)
}

// keep has a statement among those that are known.
func (f *fold) keep(s *statement) {
	f.statements[s.digest] = s
	if s.kind != KindSiteConfig {
		return
	}
	if f.configs[s.site.Site] == nil {
		f.configs[s.site.Site] = map[string]*statement{}
	}
	f.configs[s.site.Site][s.digest] = s
}

// show takes the signatures of the envelope that the statement was read from, in a feed's name.
func (s *statement) show(feed string, keys map[string]ed25519.PublicKey) {
	for _, sig := range s.envelope.Signatures {
		if s.shown[feed] >= maxShown {
			break
		}
		s.shown[feed]++
		s.sign(sig, keys)
	}
	s.envelope = trust.Envelope{}
}

// sign takes a signature if it holds, or may come to hold under a key that is not known yet.
func (s *statement) sign(sig dsse.Signature, keys map[string]ed25519.PublicKey) {
	if _, done := s.good[sig.KeyID]; done || !hexForm.MatchString(sig.KeyID) || len(sig.Sig) > 2*ed25519.SignatureSize {
		return
	}
	key, known := keys[sig.KeyID]
	if !known {
		s.unknown[sig] = true
		return
	}
	raw, err := decodeBase64(sig.Sig)
	if err == nil && ed25519.Verify(key, dsse.PAE(s.payloadType(), s.payload), raw) {
		s.good[sig.KeyID] = sig
	}
}

// resolve looks again at the signatures by keys that were not known.
func (s *statement) resolve(keys map[string]ed25519.PublicKey) {
	for sig := range s.unknown {
		if _, known := keys[sig.KeyID]; known {
			delete(s.unknown, sig)
			s.sign(sig, keys)
		}
	}
}

// judge asks the charters who signed s, and has a revocation take effect, or lose it.
func (f *fold) judge(s *statement) {
	counted := s.signers != nil
	f.releaseList, f.wantedList, f.revokedList, f.siteList = nil, nil, nil, nil
	signers, newest, err := f.verify(s)
	s.signers = signers
	if t := s.time(); err == nil && newest && t.After(f.raised) && t.Before(f.chain().Latest().Expires) {
		f.raised = t
	}
	switch counts := err == nil; {
	case s.kind == KindRevocation && counts != counted:
		f.revoke(s, counts)
	case s.kind == KindSiteConfig && counts != counted:
		f.noteSite(s)
	}
}

// verify returns who of a charter's keys signed, if they are enough of those who may. Only
// signatures that hold are shown to trust, which looks at a bounded number.
func (s *statement) verify(c *trust.Charter) ([]string, error) {
	env := s.sealed(func(id string) bool { _, ok := c.Keys[id]; return ok })
	role, name := s.authority()
	_, signers, err := c.Verify(env, s.payloadType(), role, name)
	slices.Sort(signers)
	return signers, err
}

// sealed returns the statement in an envelope, with those of its signatures whose keys are asked for.
func (s *statement) sealed(by func(keyID string) bool) trust.Envelope {
	env := trust.Envelope{PayloadType: s.payloadType(), Payload: base64.StdEncoding.EncodeToString(s.payload)}
	for id, sig := range s.good {
		if by(id) {
			env.Signatures = append(env.Signatures, sig)
		}
	}
	slices.SortFunc(env.Signatures, func(a, b dsse.Signature) int { return cmp.Compare(a.KeyID, b.KeyID) })
	return env
}

// decodeBase64 takes both alphabets, as DSSE asks.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "-_") {
		return base64.URLEncoding.DecodeString(s)
	}
	return base64.StdEncoding.DecodeString(s)
}
