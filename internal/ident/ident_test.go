package ident

import (
	"crypto/ed25519"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestTextRoundTrip(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := FromPublicKey(pub)
	if FromPrivateKey(priv) != id {
		t.Fatal("private and public halves name different nodes")
	}
	text, _ := id.MarshalText()
	var back NodeID
	if err := back.UnmarshalText(text); err != nil || back != id {
		t.Fatalf("UnmarshalText(%q) = %v, %v", text, back, err)
	}
	if len(id.Short()) != 8 {
		t.Fatalf("Short() = %q", id.Short())
	}
}

// The form that is put together here is libp2p's.
func TestPeer(t *testing.T) {
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.UnmarshalEd25519PublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	want, err := peer.IDFromPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := FromPublicKey(pub).Peer(); got != want {
		t.Errorf("%x, want %x", string(got), string(want))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5")
	f.Add("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(id.String()); err != nil || again != id {
			t.Fatalf("%q parsed to %v, whose text does not parse back: %v", s, id, err)
		}
	})
}
