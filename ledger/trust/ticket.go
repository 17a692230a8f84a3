package trust

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"selvage/internal/canon"
	"selvage/internal/ident"
)

// Ticket is an invite with the one-time key that makes use of it. Whoever holds it can join.
type Ticket struct {
	Invite Envelope
	Key    ed25519.PrivateKey
}

const (
	ticketPrefix = "selvage-ticket-1:"
	maxTicket    = 16 << 10 // characters
)

type ticketBody struct {
	Invite []byte `cbor:"1,keyasint"`
	Seed   []byte `cbor:"2,keyasint"`
}

// String writes the text that is handed over.
func (t Ticket) String() string {
	invite, err := json.Marshal(t.Invite)
	if err != nil { // an envelope is strings
		panic(err)
	}
	body := marshal(ticketBody{invite, t.Key.Seed()})
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	return ticketPrefix + base64.RawURLEncoding.EncodeToString(append(sum, body...))
}

// ParseTicket reads a ticket, passing over white space, which letters and terminals put in.
// It checks the form, not who signed the invite: that takes the charter.
func ParseTicket(s string) (Ticket, error) {
	s = strings.Join(strings.Fields(s), "")
	if len(s) > maxTicket {
		return Ticket{}, fmt.Errorf("ticket is %w: longer than %d characters", ErrMalformed, maxTicket)
	}
	text, ok := strings.CutPrefix(s, ticketPrefix)
	if !ok {
		return Ticket{}, fmt.Errorf("ticket is %w: it does not begin with %q", ErrMalformed, ticketPrefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 4 {
		return Ticket{}, fmt.Errorf("ticket is %w: it is cut short or mistyped", ErrMalformed)
	}
	if binary.BigEndian.Uint32(raw) != crc32.ChecksumIEEE(raw[4:]) {
		return Ticket{}, fmt.Errorf("ticket is %w: it is cut short or mistyped (its checksum does not match)", ErrMalformed)
	}
	return decodeTicket(raw[4:])
}

func decodeTicket(data []byte) (Ticket, error) {
	var body ticketBody
	if err := unmarshal(data, &body); err != nil {
		return Ticket{}, fmt.Errorf("ticket is %w", err)
	}
	if len(body.Seed) != ed25519.SeedSize {
		return Ticket{}, fmt.Errorf("ticket is %w: a key of %d bytes", ErrMalformed, len(body.Seed))
	}
	t := Ticket{Key: ed25519.NewKeyFromSeed(body.Seed)}
	if err := canon.ReadJSON(body.Invite, &t.Invite); err != nil {
		return Ticket{}, fmt.Errorf("ticket is %w: %w", ErrMalformed, err)
	}
	inv, err := peekInvite(t.Invite)
	if err != nil {
		return Ticket{}, fmt.Errorf("ticket: %w", err)
	}
	if !publicOf(t.Key).Equal(ed25519.PublicKey(inv.Key)) {
		return Ticket{}, fmt.Errorf("ticket is %w: its key is not the invite's", ErrMalformed)
	}
	return t, nil
}

// Peek returns what the invite says, which nobody has verified yet.
func (t Ticket) Peek() (Invite, error) { return peekInvite(t.Invite) }

// Bind signs a node's key with the one-time key. A clock that is before the invite's time of
// issue is wrong, and the time of issue is taken for it; a time after its expiry is ErrExpired.
func (t Ticket) Bind(node ed25519.PublicKey, name string, now time.Time) (Credential, error) {
	inv, err := t.Peek()
	if err != nil {
		return Credential{}, err
	}
	if now.Before(inv.Issued) {
		now = inv.Issued
	}
	if now.After(inv.Expires) {
		return Credential{}, fmt.Errorf("ticket has %w on %s", ErrExpired, stamp(inv.Expires))
	}
	if !nameForm.MatchString(name) {
		return Credential{}, fmt.Errorf("%.80q cannot name a node: use a-z, 0-9 and '-', at most 63", name)
	}
	b := binding{Fleet: inv.Fleet[:], Serial: inv.Serial, Node: node, Name: name, Time: now.UnixMilli()}
	return Credential{invite: t.Invite, node: ident.FromPublicKey(node), binding: b, sig: ed25519.Sign(t.Key, b.signed())}, nil
}

// stamp writes a time for people.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
