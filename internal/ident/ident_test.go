package ident

import (
	"crypto/ed25519"
	"testing"
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
