package trust

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"selvage/internal/canon"
	"selvage/internal/ident"
)

// Credential is what a node shows to prove that it was admitted. The zero Credential proves nothing.
type Credential struct {
	invite  Envelope
	node    ident.NodeID
	binding binding
	sig     []byte
	renewal []byte // a Renewal, as it is shown; nobody has judged it yet
}

type binding struct {
	Fleet  []byte `cbor:"1,keyasint"`
	Serial string `cbor:"2,keyasint"`
	Node   []byte `cbor:"3,keyasint"`
	Name   string `cbor:"4,keyasint"`
	Time   int64  `cbor:"5,keyasint"` // unix milliseconds
}

func (b binding) signed() []byte { return append([]byte("selvage binding 1\x00"), marshal(b)...) }

type credentialBody struct {
	Invite  []byte  `cbor:"1,keyasint"`
	Binding binding `cbor:"2,keyasint"`
	Sig     []byte  `cbor:"3,keyasint"`
	Renewal []byte  `cbor:"4,keyasint,omitempty"`
}

// MaxCredential bounds the binary form, bytes.
const MaxCredential = 9 << 10

// Node returns whose credential it says it is.
func (c Credential) Node() ident.NodeID { return c.node }

// Serial returns that of the invite that it says it was made of.
func (c Credential) Serial() string { return c.binding.Serial }

// First reports whether it says that its node is the first of its site.
func (c Credential) First() bool {
	inv, err := peekInvite(c.invite)
	return err == nil && inv.First
}

// Marshal returns the binary form.
func (c Credential) Marshal() []byte {
	invite, err := json.Marshal(c.invite)
	if err != nil { // an envelope is strings
		panic(err)
	}
	return marshal(credentialBody{invite, c.binding, c.sig, c.renewal})
}

// With returns the credential with a renewal of it to show.
func (c Credential) With(r Renewal) Credential {
	c.renewal = r.Marshal()
	return c
}

// Renewal returns the renewal that is shown with the credential, if there is one that is signed as it says and that is of it.
func (c Credential) Renewal(verify VerifyFunc) (Renewal, bool) {
	if len(c.renewal) == 0 {
		return Renewal{}, false
	}
	r, err := ParseRenewal(c.renewal, verify)
	return r, err == nil && r.Node == c.node && r.Serial == c.binding.Serial && string(r.Fleet[:]) == string(c.binding.Fleet)
}

// ParseCredential reads what Marshal writes. It checks the form; Charter.Admit checks the rest.
func ParseCredential(data []byte) (Credential, error) {
	if len(data) > MaxCredential {
		return Credential{}, fmt.Errorf("credential is %w: %d bytes", ErrMalformed, len(data))
	}
	var body credentialBody
	if err := unmarshal(data, &body); err != nil {
		return Credential{}, fmt.Errorf("credential is %w", err)
	}
	c := Credential{binding: body.Binding, sig: body.Sig, renewal: body.Renewal}
	if err := canon.ReadJSON(body.Invite, &c.invite); err != nil {
		return Credential{}, fmt.Errorf("credential is %w: %w", ErrMalformed, err)
	}
	if len(c.renewal) > MaxRenewal {
		return Credential{}, fmt.Errorf("credential is %w: a renewal of %d bytes", ErrMalformed, len(c.renewal))
	}
	if len(c.binding.Node) != ed25519.PublicKeySize || len(c.sig) != ed25519.SignatureSize {
		return Credential{}, fmt.Errorf("credential is %w: bad key or signature length", ErrMalformed)
	}
	c.node = ident.NodeID(c.binding.Node)
	return c, nil
}

// Member is a node that a credential admits.
type Member struct {
	Node          ident.NodeID
	Name, Site    string
	Labels        map[string]string
	Serial        string        // of the invite
	Uses          int           // how many nodes the invite is for
	Bound         time.Time     // when it joined, by its own word
	InviteExpires time.Time     // no node may be seen for the first time after this
	Expires       time.Time     // of the credential, but for renewals, of which Admit knows nothing
	Life          time.Duration // of the credential, from when its invite was issued
}

// Admit checks a credential offline. At now the credential must not have expired; the node must
// have joined while the invite was open. Whether the invite was used too often is not seen here,
// nor that a node joined late and lied about the time: see Member.InviteExpires.
func (c *Charter) Admit(fleet FleetID, cred Credential, now time.Time) (Member, error) {
	inv, err := peekInvite(cred.invite)
	if err != nil {
		return Member{}, err
	}
	b := cred.binding
	if inv.Fleet != fleet || string(b.Fleet) != string(fleet[:]) {
		return Member{}, fmt.Errorf("credential is %w", ErrForeignFleet)
	}
	if _, _, err := c.Verify(cred.invite, TypeInvite, RoleAdmit, "site:"+inv.Site); err != nil {
		return Member{}, fmt.Errorf("invite: %w", err)
	}
	if b.Serial != inv.Serial || !c.signed(inv.Key, b.signed(), cred.sig) {
		return Member{}, fmt.Errorf("credential: %w", ErrSignature)
	}
	bound := time.UnixMilli(b.Time)
	switch {
	case !nameForm.MatchString(b.Name):
		return Member{}, fmt.Errorf("credential is %w: %.80q cannot name a node", ErrMalformed, b.Name)
	case bound.Before(inv.Issued.Truncate(time.Millisecond)):
		return Member{}, fmt.Errorf("credential is %w: bound before its invite was issued", ErrMalformed)
	case bound.After(inv.Expires):
		return Member{}, fmt.Errorf("ticket had %w on %s when it was used", ErrExpired, stamp(inv.Expires))
	case !now.Before(inv.good()):
		return Member{}, fmt.Errorf("credential has %w on %s", ErrExpired, stamp(inv.good()))
	}
	return Member{Node: cred.node, Name: b.Name, Site: inv.Site, Labels: inv.Labels, Serial: inv.Serial, Uses: inv.Uses,
		Bound: bound, InviteExpires: inv.Expires, Expires: inv.good(), Life: time.Duration(inv.Lifetime)}, nil
}
