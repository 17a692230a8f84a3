package ledger

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"selvage/internal/canon"
	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// TypeRevocation is the type of a revocation's envelope.
const TypeRevocation = "application/vnd.selvage.revocation+json"

// Subject is what a revocation is about.
type Subject string

// The subjects.
const (
	SubjectNode   Subject = "node"
	SubjectKey    Subject = "key" // an operator's
	SubjectInvite Subject = "invite"
)

// Bounds of a revocation.
const (
	maxReason = 256 // bytes
	// MaxKeeps is how much one revocation can leave in force. Another one of the same subject adds to it.
	MaxKeeps = 512
)

// Revocation says that a node, an operator's key or an invite is good no more. It is final: a node comes back with a
// new key and a new ticket. Nothing in it is a date from which it holds, as whoever holds a stolen key can put any date
// on what he signs; what is to stay in force is named instead, and everything else falls, whenever it was signed.
type Revocation struct {
	Fleet   trust.FleetID `json:"fleet"`
	Subject Subject       `json:"subject"`
	ID      string        `json:"id"` // the node's ID, the key's ID, or the invite's serial
	// Site is where a node or an invite belongs, over which the signers must hold the role admit; "" is
	// wherever that is, and takes a scope that covers "site:", as "*" and "site:*" do.
	Site string `json:"site"`
	// Keeps is what stays in force: of an invite the IDs of nodes that joined with it; of a key the digests of
	// statements that it signed, and the serials of its invites. What any revocation of the subject keeps is kept.
	Keeps    []string  `json:"keeps"`
	Reason   string    `json:"reason"` // for people; may be ""
	Declared time.Time `json:"declared"`
}

var serialForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// SignRevocation signs a revocation as an operator, or several.
func SignRevocation(r Revocation, keys ...ed25519.PrivateKey) (trust.Envelope, error) {
	if err := r.check(); err != nil {
		return trust.Envelope{}, fmt.Errorf("revocation: %w", err)
	}
	return signJSON(TypeRevocation, r, keys)
}

// DecodeRevocation reads the payload of a revocation, strictly. Who signed it is not asked.
func DecodeRevocation(payload []byte) (Revocation, error) {
	var r Revocation
	if err := canon.ReadJSON(payload, &r); err != nil {
		return Revocation{}, fmt.Errorf("decode revocation: %w", err)
	}
	return r, r.check()
}

func (r Revocation) check() error {
	id, keep := r.forms()
	switch {
	case id == nil:
		return fmt.Errorf("subject %.40q: want node, key or invite", r.Subject)
	case !id(r.ID):
		return fmt.Errorf("%.80q is not the ID of a %s", r.ID, r.Subject)
	case !scopeForm.MatchString(r.Site), r.Subject == SubjectKey && r.Site != "":
		return fmt.Errorf("%.80q cannot be the site of a %s", r.Site, r.Subject)
	case len(r.Reason) > maxReason || !utf8.ValidString(r.Reason) || strings.ContainsFunc(r.Reason, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fmt.Errorf("a reason that is not one printable line of at most %d bytes", maxReason)
	case r.Declared.IsZero():
		return errors.New("no time of declaration")
	case len(r.Keeps) > MaxKeeps:
		return fmt.Errorf("%d things to keep, at most %d", len(r.Keeps), MaxKeeps)
	}
	for _, k := range r.Keeps {
		if !keep(k) {
			return fmt.Errorf("%.80q is nothing that the revocation of a %s can keep", k, r.Subject)
		}
	}
	return nil
}

// forms returns what the ID and what is kept look like; nil if the subject is none.
func (r Revocation) forms() (id, keep func(string) bool) {
	switch r.Subject {
	case SubjectNode:
		return isNode, func(string) bool { return false }
	case SubjectInvite:
		return serialForm.MatchString, isNode
	case SubjectKey:
		return hexForm.MatchString, func(s string) bool { return hexForm.MatchString(s) || serialForm.MatchString(s) }
	}
	return nil, nil
}

// isNode reports whether s is the one text of a node's ID.
func isNode(s string) bool {
	id, err := ident.Parse(s)
	return err == nil && id.String() == s
}

// because adds the reason to a word of what happened.
func (r Revocation) because(word string) string {
	if r.Reason == "" {
		return word
	}
	return word + ": " + r.Reason
}
