package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"selvage/ledger/trust"
)

func TestKey(t *testing.T) {
	k := keyOf("op")
	data := trust.MarshalKey(k)
	back, err := trust.ParseKey(data)
	if err != nil || !back.Equal(k) {
		t.Fatalf("got %v", err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), new(stream))
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	must(t, err)
	for name, bad := range map[string][]byte{
		"nothing":     nil,
		"text":        []byte("hello"),
		"cut short":   data[:len(data)/2],
		"a public":    pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"junk in PEM": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("junk")}),
		"of ECDSA":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		if _, err := trust.ParseKey(bad); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFloor(t *testing.T) {
	c := charter(1, 1, "op")
	var f trust.Floor
	now := time.Unix(0, 0)
	if got := f.Now(now); !got.Equal(now) {
		t.Errorf("it is %v", got)
	}
	for _, step := range []struct {
		signed time.Time
		rises  bool
		floor  time.Time
	}{
		{epoch.Add(time.Hour), true, epoch.Add(time.Hour)},
		{epoch, false, epoch.Add(time.Hour)},
		{epoch.Add(time.Hour), false, epoch.Add(time.Hour)},
		{c.Expires.Add(1), false, epoch.Add(time.Hour)},
		{c.Expires, true, c.Expires},
	} {
		if got := f.Raise(step.signed, &c); got != step.rises || !f.At().Equal(step.floor) || !f.Now(now).Equal(step.floor) {
			t.Errorf("%v: rose %v to %v", step.signed, got, f.At())
		}
	}
	if later := c.Expires.Add(time.Hour); !f.Now(later).Equal(later) || !trust.NewFloor(epoch).At().Equal(epoch) {
		t.Error("a clock that is later does not count")
	}
}
