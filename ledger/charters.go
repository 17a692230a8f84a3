package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"selvage/internal/canon"
	"selvage/internal/mutant"
	"selvage/ledger/trust"
)

// charters is the fleet's chain, and charters that may come to extend it.
type charters struct {
	fleet    trust.FleetID
	chain    *trust.Chain // nil until the first charter is known
	verify   trust.VerifyFunc
	versions []*trust.Charter             // the chain's, from 1 on
	digests  []string                     // of their payloads
	keys     map[string]ed25519.PublicKey // of all versions, by key ID; handed out, so a longer chain makes another
	waiting  map[string]proposal          // charters whose predecessors are missing, by envelope
	rivals   map[string]uint64            // charters that root signed beside one in the chain: their versions, by digest
}

// proposal is an envelope that holds a charter, if it is what it says.
type proposal struct {
	version  uint64
	digest   string // of the payload
	id       string // of the envelope with its signatures: one that lacks some must not stand in for one that does not
	envelope trust.Envelope
}

func newCharters(fleet trust.FleetID, verify trust.VerifyFunc) charters {
	return charters{fleet: fleet, verify: verify, keys: map[string]ed25519.PublicKey{}, waiting: map[string]proposal{}, rivals: map[string]uint64{}}
}

func (c *charters) latest() uint64 { return uint64(len(c.versions)) }

// add takes a charter and reports whether the chain has grown. keep says that it may wait for its
// predecessor here.
func (c *charters) add(p proposal, keep bool) bool {
	if p.version > 1 && p.version < c.latest() && mutant.On(mutant.AcceptLowerCharter) {
		c.chain, c.versions, c.digests = c.chain.Prefix(p.version), c.versions[:p.version:p.version], c.digests[:p.version:p.version]
		return true
	}
	if p.version <= c.latest() {
		c.noteRival(p)
		return false
	}
	if !c.extend(p) {
		if keep {
			c.waiting[p.id] = p
		}
		return false
	}
	for c.grow() {
	}
	return true
}

// with returns what the charters would be with more of them, and leaves c as it is.
func (c charters) with(more []trust.Envelope) charters {
	c.versions, c.digests = slices.Clip(c.versions), slices.Clip(c.digests)
	c.waiting, c.rivals = map[string]proposal{}, map[string]uint64{}
	for _, env := range more {
		if p, err := newProposal(env); err == nil {
			c.add(p, false)
		}
	}
	return c
}

// grow extends the chain by a charter that waited, and reports whether one fitted.
func (c *charters) grow() bool {
	grown := false
	for _, id := range slices.Sorted(maps.Keys(c.waiting)) {
		p := c.waiting[id]
		if p.version > c.latest()+1 {
			continue
		}
		delete(c.waiting, id)
		if c.extend(p) {
			grown = true
		} else {
			c.noteRival(p)
		}
	}
	return grown
}

// extend adds the next version; the first is the one that the fleet's ID pins.
func (c *charters) extend(p proposal) bool {
	if p.version != c.latest()+1 {
		return false
	}
	var longer *trust.Chain
	var err error
	if c.chain == nil {
		longer, err = trust.VerifyChainBy(c.verify, c.fleet, []trust.Envelope{p.envelope})
	} else {
		longer, err = c.chain.Extend(p.envelope)
	}
	if err != nil {
		return false
	}
	c.chain = longer
	c.versions = append(c.versions, longer.Latest())
	c.digests = append(c.digests, p.digest)
	c.keys = maps.Clone(c.keys)
	for id, key := range longer.Latest().Keys {
		c.keys[id] = key
	}
	return true
}

// noteRival keeps in mind that root signed two charters of one version. The one that came first
// stands here, as with TUF: a rule by which a later one could win would let a root key that was
// retired long ago take the fleet over.
func (c *charters) noteRival(p proposal) {
	if p.version < 2 || p.version > c.latest() || c.holds(p.digest) || len(c.rivals) >= trust.MaxCharters {
		return
	}
	if _, err := c.chain.Prefix(p.version - 1).Extend(p.envelope); err == nil {
		c.rivals[p.digest] = p.version
	}
}

// holds reports whether the charter with this digest is in the chain.
func (c *charters) holds(digest string) bool { return slices.Contains(c.digests, digest) }

var errNoCharter = errors.New("no charter is known yet")

// admit checks a credential by the newest charter, and if that fails by those before it: whoever
// was a member once may be heard, so that all nodes keep the same entries whichever charter came
// first. Whether the credential has expired is not asked: it says that the node was admitted once. digest is that of its binary form.
func (c *charters) admit(cred trust.Credential, digest [sha256.Size]byte) (*admission, error) {
	err := errNoCharter
	for i, charter := range slices.Backward(c.versions) {
		m, why := charter.Admit(c.fleet, cred, time.Time{})
		if why == nil {
			return &admission{Member: m, cred: cred, digest: digest, current: i == len(c.versions)-1}, nil
		}
		if i == len(c.versions)-1 {
			err = why
		}
	}
	return nil, err
}

// readEnvelope reads the JSON of a DSSE envelope, strictly.
func readEnvelope(data []byte) (trust.Envelope, error) {
	var env trust.Envelope
	err := canon.ReadJSON(data, &env)
	return env, err
}

// readProposal reads the body of a charter entry, which nobody has judged yet.
func readProposal(body []byte) (proposal, error) {
	env, err := readEnvelope(body)
	if err != nil {
		return proposal{}, err
	}
	return newProposal(env)
}

func newProposal(env trust.Envelope) (proposal, error) {
	payload, err := env.DecodeB64Payload()
	if err != nil {
		return proposal{}, err
	}
	var head struct {
		Version uint64 `json:"version"`
	}
	if err := json.Unmarshal(payload, &head); err != nil {
		return proposal{}, err
	}
	if head.Version < 1 || head.Version > trust.MaxCharters {
		return proposal{}, errors.New("version out of bounds")
	}
	id, err := json.Marshal(env)
	if err != nil {
		return proposal{}, err
	}
	return proposal{head.Version, digestOf(payload), digestOf(id), env}, nil
}
