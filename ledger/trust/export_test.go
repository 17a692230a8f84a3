package trust

import "crypto/ed25519"

// Names for tests of what is private.
var (
	DecodeCharter = decodeCharter
	DecodeInvite  = decodeInvite
	DecodeTicket  = decodeTicket
)

// Bounds for tests.
const (
	MaxSignatures = maxSignatures
	MaxTicket     = maxTicket
	TicketPrefix  = ticketPrefix
)

// Covers reports whether a scope allows a name.
func Covers(scope []string, name string) bool { return Grant{Scope: scope}.covers(name) }

// Rebind returns a credential whose binding is changed and then signed by a key.
func (c Credential) Rebind(key ed25519.PrivateKey, change func(fleet *[]byte, serial *string, node *[]byte, name *string, ms *int64)) Credential {
	b := c.binding
	change(&b.Fleet, &b.Serial, &b.Node, &b.Name, &b.Time)
	c.binding, c.sig = b, ed25519.Sign(key, b.signed())
	return c
}

// WithInvite returns the credential with another invite's envelope.
func (c Credential) WithInvite(e Envelope) Credential {
	c.invite = e
	return c
}

// TicketBody writes the part of a ticket that its checksum is of.
func TicketBody(invite, seed []byte) []byte { return marshal(ticketBody{invite, seed}) }
