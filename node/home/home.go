// Package home is a node's state directory: who the node is, and what it was told to keep to.
//
//	node.key        the node's Ed25519 key, PKCS#8 PEM, mode 0600
//	node.json       Card: the fleet it belongs to and the credential it was admitted with
//	settings.json   Settings: what a technician may change while it runs
//	used.json       how much of the uplink's monthly cap was used
//	addresses.json  where other nodes were last met
//	pins.json       releases and blobs that a technician wants kept
//	begun           there is such a file once the node has written into the ledger
//	operator.key    an operator's key, where 'selvage init' ran; the node never reads it
//	ledger.db       the ledger
//	store/          blobs, an OCI image layout
//	run/            what workloads have on disk
//	journal/        what is remembered of each deployment
//	lease           what the node has promised about its site's lease, package lead
//	lease-SITE      likewise about that of another site, for which it is a witness
//	selvage.sock    the local API
//
// Every file is replaced whole, so a crash leaves the old or the new one.
package home

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"selvage/internal/calendar"
	"selvage/internal/disk"
	"selvage/internal/ident"
	"selvage/ledger/trust"
)

// The names that others need.
const (
	KeyFile   = "node.key"
	cardFile  = "node.json"
	settings  = "settings.json"
	used      = "used.json"
	addresses = "addresses.json"
	begun     = "begun"
	maxFile   = 1 << 20
)

var (
	// ErrNone: no node was ever enrolled in this directory.
	ErrNone = errors.New("holds no node")
	// ErrTaken: a node was enrolled in this directory already.
	ErrTaken = errors.New("holds a node already")
	// ErrForgotten: the node has written into a ledger that is gone. What it wrote is with others,
	// who would take what it writes next, numbered anew, for a fork.
	ErrForgotten = errors.New("has lost its ledger")
	// ErrForeign: the key and the rest belong to different nodes.
	ErrForeign = errors.New("holds files of different nodes")
)

// Card is what a node knows of itself from the day it was enrolled.
type Card struct {
	Format     int              `json:"format"` // 1
	Node       ident.NodeID     `json:"node"`
	Name       string           `json:"name"`
	Site       string           `json:"site"`
	Fleet      trust.FleetID    `json:"fleet"`
	Credential []byte           `json:"credential"`
	Bootstrap  []string         `json:"bootstrap,omitempty"` // multiaddrs from the ticket
	Charters   []trust.Envelope `json:"charters,omitempty"`  // of the founder; others learn them from peers
}

// Home is an opened state directory.
type Home struct {
	Card
	Key ed25519.PrivateKey
	fs  disk.FS
}

// Create enrols a node in an empty directory. The key is written last but one and the card last,
// so a directory with a card is whole. It fails with ErrTaken if there is a card.
func Create(f disk.FS, card Card, key ed25519.PrivateKey) error {
	if _, err := f.Stat(cardFile); err == nil {
		return ErrTaken
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := disk.WriteFile(f, KeyFile, trust.MarshalKey(key), 0o600); err != nil {
		return err
	}
	card.Format = 1
	return writeJSON(f, cardFile, card)
}

// Open reads an enrolled node. Its errors have ErrNone or ErrForeign in their chain where these fit.
func Open(f disk.FS) (*Home, error) {
	h := &Home{fs: f}
	if err := readJSON(f, cardFile, &h.Card); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, err
	}
	if h.Format != 1 {
		return nil, fmt.Errorf("read %s: format %d is not known to this version", cardFile, h.Format)
	}
	pem, err := disk.ReadFile(f, KeyFile, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	if h.Key, err = trust.ParseKey(pem); err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	if id := ident.FromPrivateKey(h.Key); id != h.Node {
		return nil, fmt.Errorf("%w: %s is the key of %s, %s is of %s", ErrForeign, KeyFile, id, cardFile, h.Node)
	}
	return h, nil
}

// Settings are what a technician may change while the node runs; they are kept over restarts.
type Settings struct {
	UplinkHeld bool  `json:"uplink_held"`
	UpLimit    int64 `json:"up_limit_bytes_per_second"` // of the whole site; 0 is no limit
	DownLimit  int64 `json:"down_limit_bytes_per_second"`
	// Windows are when blobs may cross the uplink, as package calendar writes them; none: always.
	Windows  []string `json:"windows,omitempty"`
	MonthCap int64    `json:"cap_bytes_per_month,omitempty"` // of the whole site; 0 is none
}

// Settings returns what was last saved; the zero Settings if nothing was.
func (h *Home) Settings() (Settings, error) {
	var s Settings
	err := readJSON(h.fs, settings, &s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Settings{}, nil
	case err == nil && (s.UpLimit < 0 || s.DownLimit < 0):
		err = fmt.Errorf("read %s: it is damaged: a limit below 0", settings)
	}
	return s, err
}

// SaveSettings replaces the settings.
func (h *Home) SaveSettings(s Settings) error { return writeJSON(h.fs, settings, s) }

// LoadUsed returns what was last saved of the use of the uplink; the zero value if nothing was, or the file is damaged.
func (h *Home) LoadUsed() calendar.Used {
	var u calendar.Used
	if err := readJSON(h.fs, used, &u); err != nil || u.Bytes < 0 || !u.Valid() {
		return calendar.Used{}
	}
	return u
}

// SaveUsed replaces it.
func (h *Home) SaveUsed(u calendar.Used) error { return writeJSON(h.fs, used, u) }

// Begun reports whether the node has ever written into its ledger.
func (h *Home) Begun() (bool, error) {
	_, err := h.fs.Stat(begun)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Begin notes that the node has written into its ledger.
func (h *Home) Begin() error { return disk.WriteFile(h.fs, begun, nil, 0o600) }

// LoadAddresses returns the multiaddrs last saved; none if nothing was or the file is damaged,
// for what it holds will be learnt again.
func (h *Home) LoadAddresses() []string {
	var a []string
	if err := readJSON(h.fs, addresses, &a); err != nil {
		return nil
	}
	return a
}

// SaveAddresses replaces the saved multiaddrs.
func (h *Home) SaveAddresses(a []string) error { return writeJSON(h.fs, addresses, a) }

func writeJSON(f disk.FS, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return disk.WriteFile(f, name, append(data, '\n'), 0o600)
}

func readJSON(f disk.FS, name string, v any) error {
	data, err := disk.ReadFile(f, name, maxFile)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("read %s: it is damaged: %w", name, err)
	}
	return nil
}
