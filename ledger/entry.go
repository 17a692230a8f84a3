package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"selvage/internal/canon"
	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// Bounds of an entry, bytes.
const (
	MaxBody  = 64 << 10
	MaxEntry = MaxBody + 1<<10
	maxKey   = 256
)

const entryVersion = 1

var (
	// ErrMalformed: the bytes are no entry.
	ErrMalformed = errors.New("malformed entry")
	// ErrSignature: the author did not sign the entry.
	ErrSignature = errors.New("entry is not signed by its author")
)

var scopeForm = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$`)

// Kind is what an entry is about. Kinds below 128 are durable, the others registers.
type Kind uint8

// The kinds. Their numbers are for good.
const (
	KindCharter    Kind = 1 // body: DSSE envelope, JSON
	KindAdmission  Kind = 2 // body: trust.Credential
	KindRevocation Kind = 3 // body: DSSE envelope, JSON
	KindRelease    Kind = 4 // body: DSSE envelope, JSON
	KindDeployment Kind = 5 // body: DSSE envelope, JSON
	KindCommand    Kind = 6
	KindSiteConfig Kind = 7 // body: DSSE envelope, JSON

	KindReport Kind = 128 // body: the node's own, see package node
	KindBeacon Kind = 129
	KindLease  Kind = 130
	KindTerms  Kind = 131

	KindRenewal Kind = 132 // key: the member's ID; body: trust.Renewal
)

// String names the kind; "kind N" if it has no name here.
func (k Kind) String() string {
	names := map[Kind]string{KindCharter: "charter", KindAdmission: "admission", KindRevocation: "revocation", KindRelease: "release",
		KindDeployment: "deployment", KindCommand: "command", KindSiteConfig: "siteconfig", KindReport: "report", KindBeacon: "beacon", KindLease: "lease", KindTerms: "terms", KindRenewal: "renewal"}
	if n, ok := names[k]; ok {
		return n
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// isStatement reports whether operators sign what an entry of the kind holds, as a statement that is known by its digest.
func isStatement(k Kind) bool {
	return k == KindRelease || k == KindDeployment || k == KindRevocation || k == KindSiteConfig
}

// Lane says how a kind is kept.
func (k Kind) Lane() Lane {
	switch {
	case k == KindRevocation:
		return Urgent
	case k < 128:
		return Durable
	}
	return Register
}

// Lane is how the entries of a feed are kept.
type Lane uint8

// The lanes.
const (
	Durable  Lane = 'd'
	Register Lane = 'r'
	Urgent   Lane = 'u' // as durable, in a sequence of its own: so none has to wait for anything else of its author
)

// linked reports whether the entries of a lane are hash-linked, and kept for good.
func (l Lane) linked() bool { return l != Register }

// Feed names a feed.
type Feed struct {
	Author ident.NodeID
	Lane   Lane
	Scope  string
}

// Key returns the feed's name as bytes: author, lane, scope.
func (f Feed) Key() string { return string(f.Author[:]) + string(rune(f.Lane)) + f.Scope }

// ParseFeed reads what Key returns.
func ParseFeed(key string) (Feed, error) {
	const head = len(ident.NodeID{}) + 1
	if len(key) < head {
		return Feed{}, fmt.Errorf("%w: a feed of %d bytes", ErrMalformed, len(key))
	}
	f := Feed{Author: ident.NodeID([]byte(key[:head-1])), Lane: Lane(key[head-1]), Scope: key[head:]}
	if f.Lane != Durable && f.Lane != Register && f.Lane != Urgent || !scopeForm.MatchString(f.Scope) {
		return Feed{}, fmt.Errorf("%w: bad feed", ErrMalformed)
	}
	return f, nil
}

// String returns the key in hex, for people and logs.
func (f Feed) String() string { return hex.EncodeToString([]byte(f.Key())) }

// Entry is one signed record; the package comment draws it.
type Entry struct {
	Version uint8
	Fleet   trust.FleetID
	Author  ident.NodeID
	Seq     uint64
	Prev    []byte
	Time    Timestamp
	Kind    Kind
	Scope   string
	Key     string
	Body    []byte

	sig   []byte
	claim *claim // of an admission; nil of others
	key   string // Feed().Key(), once the entry was read
}

// Feed returns the feed that the entry belongs to.
func (e *Entry) Feed() Feed { return Feed{e.Author, e.Kind.Lane(), e.Scope} }

// feedKey is Feed().Key().
func (e *Entry) feedKey() string {
	if e.key != "" {
		return e.key
	}
	return e.Feed().Key()
}

var signPrefix = []byte("selvage entry 1\x00")

// wire is an entry as it is encoded: its arrays as byte strings.
type wire struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Fleet   []byte
	Author  []byte
	Seq     uint64
	Prev    []byte
	Time    uint64
	Kind    uint8
	Scope   string
	Key     string
	Body    []byte
}

// codec is the one form that entries have.
type codec struct {
	enc    cbor.EncMode
	dec    cbor.DecMode
	verify trust.VerifyFunc
}

func newCodec() (codec, error) {
	enc, dec, err := canon.Modes(canon.Bounds{Array: 16, Depth: 4})
	return codec{enc, dec, ed25519.Verify}, err
}

// Decode reads an entry and checks its form, its bounds and its author's signature; whether the
// author may say what it says is the ledger's to judge. Errors wrap ErrMalformed or ErrSignature.
func Decode(data []byte) (*Entry, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	return c.decode(data)
}

// Hash returns the SHA-256 of an entry's bytes, by which the next entry of its feed names it.
func Hash(data []byte) [sha256.Size]byte { return sha256.Sum256(data) }

// sign returns the entry's bytes, signed.
func (c codec) sign(e *Entry, key ed25519.PrivateKey) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	body, err := c.encode(e)
	if err != nil {
		return nil, err
	}
	e.sig = ed25519.Sign(key, append(bytes.Clone(signPrefix), body...))
	return append(body, e.sig...), nil
}

func (c codec) encode(e *Entry) ([]byte, error) {
	return c.enc.Marshal(wire{Version: e.Version, Fleet: e.Fleet[:], Author: e.Author[:], Seq: e.Seq, Prev: nonNil(e.Prev), Time: uint64(e.Time),
		Kind: uint8(e.Kind), Scope: e.Scope, Key: e.Key, Body: nonNil(e.Body)})
}

// nonNil keeps an absent byte string from being written as null.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// decode reads an entry and checks its form, its bounds and its author's signature.
func (c codec) decode(data []byte) (*Entry, error) {
	e, err := c.parse(data)
	if err != nil {
		return nil, err
	}
	signed := append(bytes.Clone(signPrefix), data[:len(data)-ed25519.SignatureSize]...)
	if !c.verify(e.Author.PublicKey(), signed, e.sig) {
		return nil, ErrSignature
	}
	return e, nil
}

// parse is decode without the signature, for bytes that were verified before they were stored.
func (c codec) parse(data []byte) (*Entry, error) {
	if len(data) <= ed25519.SignatureSize || len(data) > MaxEntry {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(data))
	}
	body, sig := data[:len(data)-ed25519.SignatureSize], data[len(data)-ed25519.SignatureSize:]
	var w wire
	if err := c.dec.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(w.Fleet) != len(trust.FleetID{}) || len(w.Author) != len(ident.NodeID{}) {
		return nil, fmt.Errorf("%w: bad fleet or author", ErrMalformed)
	}
	e := &Entry{Version: w.Version, Fleet: trust.FleetID(w.Fleet), Author: ident.NodeID(w.Author), Seq: w.Seq, Prev: w.Prev, Time: Timestamp(w.Time),
		Kind: Kind(w.Kind), Scope: w.Scope, Key: w.Key, Body: w.Body, sig: bytes.Clone(sig)}
	e.claim, e.key = claimOf(e), e.Feed().Key()
	if err := e.check(); err != nil {
		return nil, err
	}
	if again, err := c.encode(e); err != nil || !bytes.Equal(again, body) {
		return nil, fmt.Errorf("%w: not in its one form", ErrMalformed)
	}
	return e, nil
}

func (e *Entry) check() error {
	linked := e.Kind.Lane().linked() && e.Seq > 1
	switch {
	case e.Version != entryVersion:
		return fmt.Errorf("%w: version %d", ErrMalformed, e.Version)
	case e.Seq < 1 || e.Seq >= 1<<62:
		return fmt.Errorf("%w: seq %d", ErrMalformed, e.Seq)
	case linked && len(e.Prev) != sha256.Size, !linked && len(e.Prev) != 0:
		return fmt.Errorf("%w: a link of %d bytes", ErrMalformed, len(e.Prev))
	case !scopeForm.MatchString(e.Scope):
		return fmt.Errorf("%w: scope %.80q", ErrMalformed, e.Scope)
	case len(e.Key) > maxKey || strings.ContainsRune(e.Key, 0):
		return fmt.Errorf("%w: bad key", ErrMalformed)
	case len(e.Body) > MaxBody:
		return fmt.Errorf("%w: a body of %d bytes", ErrMalformed, len(e.Body))
	}
	return nil
}
