package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"time"
)

// CharterLifetime is how long a founder's charter is good for.
const CharterLifetime = 5 * 365 * 24 * time.Hour

// Found makes a fleet: its first charter, in which one operator key holds every role alone, and
// the credential of the first node of its first site.
func Found(fleet, site, name string, operator ed25519.PrivateKey, node ed25519.PublicKey, now time.Time, rand io.Reader) (*Chain, Credential, error) {
	now = now.UTC().Truncate(time.Second)
	id := KeyID(publicOf(operator))
	c := Charter{Version: 1, Name: fleet, Issued: now, Expires: now.Add(CharterLifetime),
		Keys: map[string][]byte{id: publicOf(operator)}, Roles: map[Role]Grant{}}
	for _, r := range roles {
		c.Roles[r] = Grant{Keys: []string{id}, Threshold: 1, Scope: []string{"*"}}
	}
	e, err := SignCharter(c, operator)
	if err != nil {
		return nil, Credential{}, err
	}
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return nil, Credential{}, err
	}
	chain, err := VerifyChain(sha256.Sum256(payload), []Envelope{e})
	if err != nil {
		return nil, Credential{}, err
	}
	ticket, err := NewTicket(Invite{Fleet: chain.Fleet(), Site: site, Uses: 1, First: true, Issued: now, Expires: now.Add(time.Hour)}, rand, operator)
	if err != nil {
		return nil, Credential{}, err
	}
	cred, err := ticket.Bind(node, name, now)
	return chain, cred, err
}
