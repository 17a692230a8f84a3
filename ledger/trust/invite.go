package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"selvage/internal/canon"
)

// Invite is permission to join one site. It travels in a Ticket.
type Invite struct {
	Fleet     FleetID           `json:"fleet"`
	Serial    string            `json:"serial"` // begins the SHA-256 of Key, 16 bytes, hex: nobody can make another invite that has it
	Site      string            `json:"site"`
	Labels    map[string]string `json:"labels,omitempty"` // given to every node that joins with it
	Uses      int               `json:"uses"`             // how many nodes may join with it
	First     bool              `json:"first,omitempty"`  // it makes the one node that joins with it its site's first voter
	Issued    time.Time         `json:"issued"`
	Expires   time.Time         `json:"expires"`   // until when a node may join with it
	Lifetime  Lifetime          `json:"lifetime"`  // of the credential, from Issued
	Bootstrap []string          `json:"bootstrap"` // multiaddrs of nodes to begin with
	Key       []byte            `json:"key"`       // public half of the ticket's one-time key
}

// Lifetime is a duration written in seconds.
type Lifetime time.Duration

// MarshalJSON writes whole seconds.
func (l Lifetime) MarshalJSON() ([]byte, error) {
	return json.Marshal(int64(time.Duration(l) / time.Second))
}

// UnmarshalJSON reads whole seconds.
func (l *Lifetime) UnmarshalJSON(b []byte) error {
	var s int64
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s < 0 || s > int64(MaxLifetime/time.Second) {
		return fmt.Errorf("a lifetime of %d s", s)
	}
	*l = Lifetime(time.Duration(s) * time.Second)
	return nil
}

// How long a credential is good for: unless the invite says otherwise, and at least and at most.
const (
	DefaultLifetime = Lifetime(90 * 24 * time.Hour)
	MinLifetime     = time.Second
	MaxLifetime     = 100 * 365 * 24 * time.Hour
)

// Bounds of an invite.
const (
	TypeInvite   = "application/vnd.selvage.invite+json"
	maxUses      = 10000
	maxLabels    = 32
	maxBootstrap = 16
	maxText      = 256  // bytes of a label's value, or an address
	maxBinding   = 1536 // more than a credential takes up besides its invite, bytes
)

var nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (i Invite) check() error {
	switch {
	case i.Serial != serialOf(i.Key):
		return errors.New("the serial is not that of the one-time key")
	case !nameForm.MatchString(i.Site):
		return fmt.Errorf("%.80q cannot name a site: use a-z, 0-9 and '-', at most 63", i.Site)
	case i.Uses < 1 || i.Uses > maxUses:
		return fmt.Errorf("%d uses, want 1 to %d", i.Uses, maxUses)
	case i.First && i.Uses != 1:
		return fmt.Errorf("%d uses of an invite for a site's first node", i.Uses)
	case !i.Issued.Before(i.Expires):
		return errors.New("expires before it is issued")
	case time.Duration(i.Lifetime) < MinLifetime || time.Duration(i.Lifetime) > MaxLifetime:
		return fmt.Errorf("a lifetime of %s, want %s to %s", time.Duration(i.Lifetime), MinLifetime, MaxLifetime)
	case len(i.Key) != ed25519.PublicKeySize:
		return errors.New("bad one-time key")
	case len(i.Labels) > maxLabels || len(i.Bootstrap) > maxBootstrap:
		return errors.New("too many labels or addresses")
	}
	for k, v := range i.Labels {
		if !nameForm.MatchString(k) || len(v) > maxText {
			return fmt.Errorf("%.80q cannot be a label", k+"="+v)
		}
	}
	for _, a := range i.Bootstrap {
		if len(a) > maxText {
			return fmt.Errorf("an address of %d bytes", len(a))
		}
	}
	return nil
}

func serialOf(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:16])
}

// good is how long a credential from this invite is good.
func (i Invite) good() time.Time { return i.Issued.Add(time.Duration(i.Lifetime)) }

// NewTicket makes a ticket of inv, whose Serial and Key it fills in from rand, and whose Lifetime
// if it is 0. The signers need the role admit; peers will check that, not this function.
func NewTicket(inv Invite, rand io.Reader, signers ...ed25519.PrivateKey) (Ticket, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return Ticket{}, err
	}
	key := ed25519.NewKeyFromSeed(seed[:])
	inv.Key = publicOf(key)
	inv.Serial = serialOf(inv.Key)
	if inv.Lifetime == 0 {
		inv.Lifetime = DefaultLifetime
	}
	if err := inv.check(); err != nil {
		return Ticket{}, fmt.Errorf("invite: %w", err)
	}
	payload, err := json.Marshal(inv)
	if err != nil {
		return Ticket{}, err
	}
	e, err := Sign(TypeInvite, payload, signers...)
	if err != nil {
		return Ticket{}, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return Ticket{}, err
	}
	if len(text) > MaxCredential-maxBinding {
		return Ticket{}, fmt.Errorf("invite: its labels and addresses are %d bytes too long in all", len(text)-MaxCredential+maxBinding)
	}
	return Ticket{e, key}, nil
}

// peekInvite reads an invite without asking who signed it.
func peekInvite(e Envelope) (Invite, error) {
	payload, err := e.DecodeB64Payload()
	if err != nil {
		return Invite{}, fmt.Errorf("%w: invite: %w", ErrMalformed, err)
	}
	return decodeInvite(payload)
}

func decodeInvite(payload []byte) (Invite, error) {
	var i Invite
	err := canon.ReadJSON(payload, &i)
	if err == nil {
		err = i.check()
	}
	if err != nil {
		return Invite{}, fmt.Errorf("%w: invite: %w", ErrMalformed, err)
	}
	return i, nil
}
