package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
)

// MaxCharters bounds a chain.
const MaxCharters = 1024

// Chain is a fleet's charters from version 1 on, each verified by those before it. It never
// changes: Extend returns a longer one.
type Chain struct {
	fleet     FleetID
	charters  []*Charter
	envelopes []Envelope
	verify    VerifyFunc
}

// VerifyChain checks the charters from version 1 on against a fleet ID that is trusted already.
func VerifyChain(pin FleetID, envelopes []Envelope) (*Chain, error) {
	return VerifyChainBy(ed25519.Verify, pin, envelopes)
}

// VerifyChainBy is VerifyChain with another way to check a signature. The chain's charters keep to it in all
// that they judge.
func VerifyChainBy(verify VerifyFunc, pin FleetID, envelopes []Envelope) (*Chain, error) {
	if len(envelopes) == 0 {
		return nil, fmt.Errorf("%w: no charter", ErrMalformed)
	}
	payload, err := envelopes[0].DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("%w: charter: %w", ErrMalformed, err)
	}
	if FleetID(sha256.Sum256(payload)) != pin {
		return nil, fmt.Errorf("charter is %w", ErrForeignFleet)
	}
	first, err := decodeCharter(payload)
	if err != nil {
		return nil, err
	}
	first.by = verify
	if first.Version != 1 {
		return nil, fmt.Errorf("%w: the first charter has version %d", ErrMalformed, first.Version)
	}
	if err := first.signedByRoot(envelopes[0]); err != nil {
		return nil, err
	}
	c := &Chain{pin, []*Charter{first}, envelopes[:1:1], verify}
	for _, e := range envelopes[1:] {
		if c, err = c.Extend(e); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Extend adds the next version, which the root keys of the newest charter and its own must both
// have signed. Any other version is ErrOldCharter.
func (c *Chain) Extend(e Envelope) (*Chain, error) {
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("%w: charter: %w", ErrMalformed, err)
	}
	next, err := decodeCharter(payload)
	if err != nil {
		return nil, err
	}
	next.by = c.verify
	last := c.Latest()
	if next.Version != last.Version+1 || len(c.charters) >= MaxCharters {
		return nil, fmt.Errorf("%w: version %d after %d", ErrOldCharter, next.Version, last.Version)
	}
	if err := last.signedByRoot(e); err != nil {
		return nil, fmt.Errorf("by the charter before it: %w", err)
	}
	if err := next.signedByRoot(e); err != nil {
		return nil, err
	}
	return &Chain{c.fleet, append(slices.Clip(c.charters), next), append(slices.Clip(c.envelopes), e), c.verify}, nil
}

func (c *Charter) signedByRoot(e Envelope) error {
	_, _, err := c.accept(e, TypeCharter, RoleRoot)
	return err
}

// Latest returns the charter in force. Callers must not change it.
func (c *Chain) Latest() *Charter { return c.charters[len(c.charters)-1] }

// Prefix returns the chain up to a version that it has.
func (c *Chain) Prefix(version uint64) *Chain {
	return &Chain{c.fleet, c.charters[:version:version], c.envelopes[:version:version], c.verify}
}

// Fleet returns the fleet's ID.
func (c *Chain) Fleet() FleetID { return c.fleet }

// Envelopes returns the charters from version 1 on. Callers must not change them.
func (c *Chain) Envelopes() []Envelope { return c.envelopes }
