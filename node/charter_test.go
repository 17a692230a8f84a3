package node

import (
	"crypto/ed25519"
	"maps"
	"strings"
	"testing"

	"selvage/ledger/trust"
	"selvage/node/api"
)

// amended is the fleet's charter with another version and one more key, signed.
func amended(t *testing.T, f *fleet, version uint64, signers ...ed25519.PrivateKey) []byte {
	t.Helper()
	c := *f.chain.Latest()
	key := newKey(t).Public().(ed25519.PublicKey)
	c.Version, c.Keys = version, maps.Clone(c.Keys)
	c.Keys[trust.KeyID(key)] = key
	env, err := trust.SignCharter(c, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return marshalJSON(t, env)
}

func TestPublishCharter(t *testing.T) {
	f := found(t)
	for what, c := range map[string]struct {
		version uint64
		signer  ed25519.PrivateKey
		want    string
	}{
		"the version in force": {1, f.operator, "version 1 after 1"},
		"a gap":                {3, f.operator, "version 3 after 1"},
		"not by root":          {2, newKey(t), "by the charter before it"},
	} {
		_, err := f.founder.Publish(api.KindCharter, amended(t, f, c.version, c.signer))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	if v := f.founder.Status().Charter; v != 1 {
		t.Fatalf("charter %d is in force", v)
	}
	second := amended(t, f, 2, f.operator)
	if digest, err := f.founder.Publish(api.KindCharter, second); err != nil || len(digest) != 64 {
		t.Fatalf("%q, %v", digest, err)
	}
	mate := f.join("a", "a2")
	eventually(t, "the mate goes by the new charter", func() bool { return mate.Status().Charter == 2 })
	if _, err := mate.Publish(api.KindCharter, second); err == nil || !strings.Contains(err.Error(), "version 2 after 2") {
		t.Errorf("published again: %v", err)
	}
}
