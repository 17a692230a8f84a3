package ledger

import (
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"

	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// claim is the credential in an admission entry. It is read once, however often the entry is looked at, and however many
// ledgers share it (see Shelf).
type claim struct {
	author ident.NodeID
	body   []byte

	once   sync.Once
	cred   trust.Credential
	digest [sha256.Size]byte // of the credential's binary form
	err    error

	good atomic.Pointer[approval] // nil until a newest charter admits it
}

// approval is that one charter admits a credential.
type approval struct {
	charter   string // its digest
	admission *admission
}

// claimOf returns the claim of an entry, nil if it makes none.
func claimOf(e *Entry) *claim {
	if e.Kind != KindAdmission {
		return nil
	}
	return &claim{author: e.Author, body: e.Body}
}

// read returns the credential, which must be of the node that wrote the entry.
func (c *claim) read() (trust.Credential, error) {
	c.once.Do(func() {
		c.cred, c.err = trust.ParseCredential(c.body)
		if c.err == nil && c.cred.Node() != c.author {
			c.err = errors.New("credential of another node")
		}
		if c.err == nil {
			c.digest = sha256.Sum256(c.cred.Marshal())
		}
	})
	return c.cred, c.err
}

// admitClaim is admit for a credential that was read without error.
func (c *charters) admitClaim(claim *claim) (*admission, error) {
	newest := ""
	if len(c.digests) > 0 {
		newest = c.digests[len(c.digests)-1]
	}
	if known := claim.good.Load(); known != nil && known.charter == newest {
		return known.admission, nil
	}
	a, err := c.admit(claim.cred, claim.digest)
	if err == nil && a.current {
		claim.good.Store(&approval{newest, a})
	}
	return a, err
}
