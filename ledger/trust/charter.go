package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"selvage/internal/canon"
)

// FleetID is the digest of the first charter's payload.
type FleetID [sha256.Size]byte

// String returns the ID in hex.
func (f FleetID) String() string { return hex.EncodeToString(f[:]) }

// MarshalText writes what String returns.
func (f FleetID) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *FleetID) UnmarshalText(b []byte) error {
	raw, err := hex.DecodeString(string(b))
	if err != nil || len(raw) != len(f) {
		return fmt.Errorf("%w: %q is not a fleet ID", ErrMalformed, b)
	}
	*f = FleetID(raw)
	return nil
}

// Role is what a key may be for.
type Role string

// The roles.
const (
	RoleRoot    Role = "root"    // change the charter
	RoleRelease Role = "release" // sign releases
	RoleDeploy  Role = "deploy"  // say what runs where
	RoleAdmit   Role = "admit"   // invite machines
)

var roles = []Role{RoleRoot, RoleRelease, RoleDeploy, RoleAdmit}

// Grant says which keys hold a role.
type Grant struct {
	Keys      []string `json:"keys"`      // key IDs
	Threshold int      `json:"threshold"` // how many distinct ones must sign; from 1 to len(Keys)
	// Scope limits what the role may be used on: name patterns as path.Match takes them, where
	// "*" alone means everything. Releases and deployments are matched by name, invites
	// by "site:NAME". Root has no use for it.
	Scope []string `json:"scope"`
}

// Charter is who may say what in a fleet.
type Charter struct {
	Version uint64            `json:"version"` // from 1, without gaps
	Name    string            `json:"name"`    // of the fleet, for people
	Issued  time.Time         `json:"issued"`
	Expires time.Time         `json:"expires"`
	Keys    map[string][]byte `json:"keys"` // Ed25519 public keys by key ID
	Roles   map[Role]Grant    `json:"roles"`

	by VerifyFunc // its chain's; nil is ed25519.Verify
}

// Bounds of a charter.
const (
	TypeCharter = "application/vnd.selvage.charter+json"
	maxCharter  = 32 << 10 // bytes of payload
	maxKeys     = 64
	maxScope    = 64 // patterns of a grant, and bytes of a pattern
)

// decodeCharter reads and checks a payload; it says nothing of who signed it.
func decodeCharter(payload []byte) (*Charter, error) {
	var c Charter
	if len(payload) > maxCharter {
		return nil, fmt.Errorf("%w: a charter of %d bytes", ErrMalformed, len(payload))
	}
	if err := canon.ReadJSON(payload, &c); err != nil {
		return nil, fmt.Errorf("%w: charter: %w", ErrMalformed, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w: charter: %w", ErrMalformed, err)
	}
	return &c, nil
}

// signed reports whether sig is the signature of message by key.
func (c *Charter) signed(key ed25519.PublicKey, message, sig []byte) bool {
	if c.by == nil {
		return ed25519.Verify(key, message, sig)
	}
	return c.by(key, message, sig)
}

func (c *Charter) check() error {
	switch {
	case c.Version < 1:
		return errors.New("version 0")
	case c.Name == "" || len(c.Name) > 63:
		return errors.New("the fleet's name is missing or too long")
	case !c.Issued.Before(c.Expires):
		return errors.New("expires before it is issued")
	case len(c.Keys) > maxKeys:
		return fmt.Errorf("%d keys, at most %d", len(c.Keys), maxKeys)
	case len(c.Roles) != len(roles):
		return fmt.Errorf("%d roles, want %v", len(c.Roles), roles)
	}
	for id, k := range c.Keys {
		if len(k) != ed25519.PublicKeySize || KeyID(k) != id {
			return fmt.Errorf("key %.16s is not what its ID says", id)
		}
	}
	for _, r := range roles {
		g, ok := c.Roles[r]
		if !ok {
			return fmt.Errorf("role %s is missing", r)
		}
		if err := c.checkGrant(g); err != nil {
			return fmt.Errorf("role %s: %w", r, err)
		}
	}
	return nil
}

func (c *Charter) checkGrant(g Grant) error {
	if g.Threshold < 1 || g.Threshold > len(g.Keys) {
		return fmt.Errorf("threshold %d of %d keys", g.Threshold, len(g.Keys))
	}
	for i, id := range g.Keys {
		if _, ok := c.Keys[id]; !ok {
			return fmt.Errorf("key %.16s is not in the charter", id)
		}
		if slices.Contains(g.Keys[:i], id) {
			return fmt.Errorf("key %.16s is named twice", id)
		}
	}
	if len(g.Scope) > maxScope {
		return fmt.Errorf("%d scope patterns, at most %d", len(g.Scope), maxScope)
	}
	for _, p := range g.Scope {
		if _, err := path.Match(p, ""); err != nil || p == "" || len(p) > maxScope {
			return fmt.Errorf("%q is not a scope pattern", p)
		}
	}
	return nil
}

// covers reports whether the grant may be used on name.
func (g Grant) covers(name string) bool {
	return slices.ContainsFunc(g.Scope, func(p string) bool {
		ok, err := path.Match(p, name)
		return p == "*" || ok && err == nil
	})
}

// Without returns the charter with keys taken out of every role but root, whatever is left of the roles: nobody signed
// it, and it is good for Verify and Admit only. Root is the charter's own matter: who holds it changes with the next
// charter, and with nothing else.
func (c *Charter) Without(keys ...string) *Charter {
	if len(keys) == 0 {
		return c
	}
	less := *c
	less.Roles = map[Role]Grant{}
	for r, g := range c.Roles {
		if r != RoleRoot {
			g.Keys = slices.DeleteFunc(slices.Clone(g.Keys), func(id string) bool { return slices.Contains(keys, id) })
		}
		less.Roles[r] = g
	}
	return &less
}

// SignCharter signs a charter with every key given.
func SignCharter(c Charter, keys ...ed25519.PrivateKey) (Envelope, error) {
	if err := c.check(); err != nil {
		return Envelope{}, fmt.Errorf("%w: charter: %w", ErrMalformed, err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return Envelope{}, err
	}
	return Sign(TypeCharter, payload, keys...)
}
