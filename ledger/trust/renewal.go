package trust

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"selvage/internal/ident"
)

// Renewal says that a node's credential is good for longer. The node that leads its site signs it, by a right that operators have
// given it: whether it has that is for the ledger to judge. The zero Renewal says nothing.
type Renewal struct {
	Fleet   FleetID
	Serial  string       // of the invite that the node joined with
	Node    ident.NodeID // whose credential it is
	Issuer  ident.NodeID
	Fence   uint64    // the token, as a number, of the lease under which the issuer led: of two renewals the one with the higher counts
	Ends    time.Time // of the credential as it was, to the millisecond; likewise the other times
	Issued  time.Time
	Expires time.Time
	Sig     []byte // the issuer's
}

// MaxRenewal bounds the binary form, bytes.
const MaxRenewal = 512

// renewalBody is drawn in the package comment.
type renewalBody struct {
	Fleet   []byte `cbor:"1,keyasint"`
	Serial  string `cbor:"2,keyasint"`
	Node    []byte `cbor:"3,keyasint"`
	Issuer  []byte `cbor:"4,keyasint"`
	Fence   uint64 `cbor:"5,keyasint"`
	Ends    int64  `cbor:"6,keyasint"`
	Issued  int64  `cbor:"7,keyasint"`
	Expires int64  `cbor:"8,keyasint"`
}

type renewalForm struct {
	Body renewalBody `cbor:"1,keyasint"`
	Sig  []byte      `cbor:"2,keyasint"`
}

func (r Renewal) body() renewalBody {
	return renewalBody{r.Fleet[:], r.Serial, r.Node[:], r.Issuer[:], r.Fence, r.Ends.UnixMilli(), r.Issued.UnixMilli(), r.Expires.UnixMilli()}
}

func (b renewalBody) signed() []byte { return append([]byte("selvage renewal 1\x00"), marshal(b)...) }

// SignRenewal signs a renewal as its issuer, which it fills in. Times are cut to the millisecond.
func SignRenewal(r Renewal, issuer ed25519.PrivateKey) (Renewal, error) {
	r.Issuer = ident.FromPrivateKey(issuer)
	for _, t := range []*time.Time{&r.Ends, &r.Issued, &r.Expires} {
		*t = time.UnixMilli(t.UnixMilli())
	}
	if err := r.check(); err != nil {
		return Renewal{}, fmt.Errorf("renewal: %w", err)
	}
	r.Sig = ed25519.Sign(issuer, r.body().signed())
	return r, nil
}

func (r Renewal) check() error {
	switch {
	case len(r.Serial) != 32:
		return errors.New("an invite's serial that is none")
	case r.Node.IsZero() || r.Issuer.IsZero():
		return errors.New("no node, or no issuer")
	case !r.Issued.Before(r.Expires):
		return errors.New("expires before it is issued")
	case !r.Ends.Before(r.Expires):
		return errors.New("makes a credential no longer")
	}
	return nil
}

// Marshal returns the binary form.
func (r Renewal) Marshal() []byte { return marshal(renewalForm{r.body(), r.Sig}) }

// ParseRenewal reads what Marshal writes, and checks its form and the issuer's signature. What right the issuer has is not asked.
// verify is ed25519.Verify if it is nil.
func ParseRenewal(data []byte, verify VerifyFunc) (Renewal, error) {
	if verify == nil {
		verify = ed25519.Verify
	}
	if len(data) > MaxRenewal {
		return Renewal{}, fmt.Errorf("renewal is %w: %d bytes", ErrMalformed, len(data))
	}
	var f renewalForm
	if err := unmarshal(data, &f); err != nil {
		return Renewal{}, fmt.Errorf("renewal is %w", err)
	}
	b := f.Body
	if len(b.Fleet) != len(FleetID{}) || len(b.Node) != len(ident.NodeID{}) || len(b.Issuer) != len(ident.NodeID{}) || len(f.Sig) != ed25519.SignatureSize {
		return Renewal{}, fmt.Errorf("renewal is %w: bad key, fleet or signature length", ErrMalformed)
	}
	r := Renewal{Fleet: FleetID(b.Fleet), Serial: b.Serial, Node: ident.NodeID(b.Node), Issuer: ident.NodeID(b.Issuer), Fence: b.Fence,
		Ends: time.UnixMilli(b.Ends), Issued: time.UnixMilli(b.Issued), Expires: time.UnixMilli(b.Expires), Sig: bytes.Clone(f.Sig)}
	if err := r.check(); err != nil {
		return Renewal{}, fmt.Errorf("renewal is %w: %w", ErrMalformed, err)
	}
	if !verify(r.Issuer.PublicKey(), b.signed(), r.Sig) {
		return Renewal{}, fmt.Errorf("renewal: %w", ErrSignature)
	}
	return r, nil
}

// Compare orders renewals of one credential: of two, the one that is greater counts. It returns -1, 0 or 1.
func (r Renewal) Compare(o Renewal) int {
	switch {
	case r.Fence != o.Fence && r.Fence < o.Fence:
		return -1
	case r.Fence != o.Fence:
		return 1
	}
	if c := r.Issued.Compare(o.Issued); c != 0 {
		return c
	}
	return bytes.Compare(r.Sig, o.Sig)
}
