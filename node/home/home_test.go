package home

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	randv2 "math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"selvage/internal/calendar"
	"selvage/internal/disk"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
	"selvage/ledger/trust"
)

func newCard(t testing.TB) (Card, ed25519.PrivateKey) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Card{Node: ident.FromPublicKey(public), Name: "till-1", Site: "oslo", Fleet: trust.FleetID{1}, Credential: []byte("c"), Bootstrap: []string{"/ip4/10.0.0.1/udp/1/quic-v1"}}, key
}

// enrolled returns a state directory in which a node was enrolled, and what it opens as.
func enrolled(t *testing.T) (*memdisk.FS, *Home) {
	t.Helper()
	fs := memdisk.New(0)
	card, key := newCard(t)
	if err := Create(fs, card, key); err != nil {
		t.Fatal(err)
	}
	h, err := Open(fs)
	if err != nil {
		t.Fatal(err)
	}
	return fs, h
}

func TestCreateAndOpen(t *testing.T) {
	fs := memdisk.New(0)
	if _, err := Open(fs); !errors.Is(err, ErrNone) {
		t.Errorf("an empty directory: %v", err)
	}
	card, key := newCard(t)
	if err := Create(fs, card, key); err != nil {
		t.Fatal(err)
	}
	h, err := Open(fs)
	if err != nil {
		t.Fatal(err)
	}
	card.Format = 1
	if !reflect.DeepEqual(h.Card, card) || !h.Key.Equal(key) {
		t.Errorf("got %+v, want %+v", h.Card, card)
	}
	other, otherKey := newCard(t)
	if err := Create(fs, other, otherKey); !errors.Is(err, ErrTaken) {
		t.Errorf("a second node: %v", err)
	}
	info, err := fs.Stat(KeyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

func TestFilesOfDifferentNodes(t *testing.T) {
	fs := memdisk.New(0)
	card, key := newCard(t)
	if err := Create(fs, card, key); err != nil {
		t.Fatal(err)
	}
	_, foreign := newCard(t)
	if err := disk.WriteFile(fs, KeyFile, trust.MarshalKey(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(fs); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	fs, h := enrolled(t)
	if s, err := h.Settings(); !reflect.DeepEqual(s, Settings{}) || err != nil {
		t.Errorf("before any: %+v, %v", s, err)
	}
	want := Settings{UplinkHeld: true, UpLimit: 1000, DownLimit: 2000, Windows: []string{"0 22 * * * 8h"}, MonthCap: 3000}
	if err := h.SaveSettings(want); err != nil {
		t.Fatal(err)
	}
	if s, err := h.Settings(); !reflect.DeepEqual(s, want) || err != nil {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := disk.WriteFile(fs, settings, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Settings(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged settings: %v", err)
	}
	if err := disk.WriteFile(fs, addresses, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := h.LoadAddresses(); got != nil {
		t.Errorf("damaged addresses: %v", got)
	}
}

func TestUsed(t *testing.T) {
	fs, h := enrolled(t)
	if u := h.LoadUsed(); u != (calendar.Used{}) {
		t.Errorf("before any: %+v", u)
	}
	want := calendar.Used{Month: "2026-11", Bytes: 5}
	if err := h.SaveUsed(want); err != nil {
		t.Fatal(err)
	}
	if u := h.LoadUsed(); u != want {
		t.Errorf("got %+v", u)
	}
	for _, damaged := range []string{"{", `{"month": "soon", "bytes": 1}`, `{"month": "2026-11", "bytes": -1}`} {
		if err := disk.WriteFile(fs, used, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if u := h.LoadUsed(); u != (calendar.Used{}) {
			t.Errorf("%s is taken for %+v", damaged, u)
		}
	}
}

func TestBegun(t *testing.T) {
	_, h := enrolled(t)
	if b, err := h.Begun(); b || err != nil {
		t.Errorf("a new node has begun: %v, %v", b, err)
	}
	if err := h.Begin(); err != nil {
		t.Fatal(err)
	}
	if b, err := h.Begun(); !b || err != nil {
		t.Errorf("it forgot that it has begun: %v, %v", b, err)
	}
}

// TestCreateUnderPowerCuts: a directory is a whole node, or none and can be enrolled.
func TestCreateUnderPowerCuts(t *testing.T) {
	for seed := range uint64(200) {
		r := randv2.New(randv2.NewPCG(seed, 0))
		fs := memdisk.New(0)
		card, key := newCard(t)
		cut, n := r.IntN(12), 0
		fs.OnOp = func(string, string) error {
			if n++; n > cut {
				return errors.New("power cut")
			}
			return nil
		}
		err := Create(fs, card, key)
		fs.OnOp = nil
		after := fs.Crash(r)
		_, openErr := Open(after)
		switch {
		case err == nil && openErr != nil:
			t.Fatalf("seed %d: enrolled, and then: %v", seed, openErr)
		case openErr != nil && !errors.Is(openErr, ErrNone):
			t.Fatalf("seed %d: half a node: %v", seed, openErr)
		case openErr != nil:
			if err := Create(after, card, key); err != nil {
				t.Fatalf("seed %d: cannot be enrolled again: %v", seed, err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	fs := memdisk.New(0)
	card, key := newCard(f)
	if err := Create(fs, card, key); err != nil {
		f.Fatal(err)
	}
	cardBytes, err := disk.ReadFile(fs, cardFile, maxFile)
	if err != nil {
		f.Fatal(err)
	}
	keyBytes, err := disk.ReadFile(fs, KeyFile, maxFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cardBytes, keyBytes, []byte("{}"), []byte("[]"))
	f.Add([]byte("{}"), []byte("-----BEGIN"), []byte(`{"up_limit_bytes_per_second":-1}`), []byte("null"))
	f.Fuzz(func(t *testing.T, card, key, set, addrs []byte) {
		fs := memdisk.New(0)
		for name, data := range map[string][]byte{cardFile: card, KeyFile: key, settings: set, addresses: addrs} {
			if err := disk.WriteFile(fs, name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h, err := Open(fs)
		if err != nil {
			return
		}
		if ident.FromPrivateKey(h.Key) != h.Node {
			t.Error("opened with a key that is not the card's")
		}
		_, _ = h.Settings() // any error will do; a crash will not
		_ = h.LoadAddresses()
	})
}
