package trust

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// Envelope is a signed statement (DSSE).
type Envelope = dsse.Envelope

// maxSignatures bounds the work that an envelope can ask for.
const maxSignatures = maxKeys

// Sign signs a payload with every key given.
func Sign(payloadType string, payload []byte, keys ...ed25519.PrivateKey) (Envelope, error) {
	signers := make([]dsse.Signer, len(keys))
	for i, k := range keys {
		signers[i] = signer{k}
	}
	es, err := dsse.NewEnvelopeSigner(signers...)
	if err != nil {
		return Envelope{}, fmt.Errorf("sign: %w", err)
	}
	e, err := es.SignPayload(context.Background(), payloadType, payload)
	if err != nil {
		return Envelope{}, fmt.Errorf("sign: %w", err)
	}
	return *e, nil
}

// Verify returns the payload of an envelope that is of the given type and that enough distinct
// keys of the role have signed, with the IDs of those keys; name must be in the role's scope, for which root has no use.
func (c *Charter) Verify(e Envelope, payloadType string, role Role, name string) (payload []byte, signers []string, err error) {
	if role != RoleRoot && !c.Roles[role].covers(name) {
		return nil, nil, fmt.Errorf("%w: %s has no scope over %q", ErrRole, role, name)
	}
	return c.accept(e, payloadType, role)
}

// accept is Verify without the scope.
func (c *Charter) accept(e Envelope, payloadType string, role Role) ([]byte, []string, error) {
	if e.PayloadType != payloadType {
		return nil, nil, fmt.Errorf("%w: envelope of type %.80q, want %q", ErrMalformed, e.PayloadType, payloadType)
	}
	if len(e.Signatures) > maxSignatures {
		return nil, nil, fmt.Errorf("%w: %d signatures", ErrMalformed, len(e.Signatures))
	}
	grant := c.Roles[role]
	verifiers := make([]dsse.Verifier, len(grant.Keys))
	for i, id := range grant.Keys {
		verifiers[i] = verifier{ed25519.PublicKey(c.Keys[id]), c.signed}
	}
	v, err := dsse.NewMultiEnvelopeVerifier(grant.Threshold, verifiers...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRole, err)
	}
	accepted, payload, err := v.VerifyAndDecode(context.Background(), &e)
	switch {
	case err == nil:
	case errors.Is(err, dsse.ErrNoSignature), len(accepted) == 0:
		return nil, nil, fmt.Errorf("%w %s", ErrRole, role)
	default:
		return nil, nil, fmt.Errorf("%w of role %s: %d of %d", ErrThreshold, role, len(accepted), grant.Threshold)
	}
	signers := make([]string, len(accepted))
	for i, a := range accepted {
		signers[i] = a.KeyID
	}
	return payload, signers, nil
}
