package trust_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"selvage/ledger/trust"
)

// TestChain: version N+1 carries the thresholds of N and of N+1, and follows it without a gap.
func TestChain(t *testing.T) {
	first := charter(1, 2, "r1", "r2", "r3")
	for name, c := range map[string]struct {
		next    trust.Charter
		signers []string
		want    error
	}{
		"the old keys and the new":      {charter(2, 1, "n1"), []string{"r1", "r2", "n1"}, nil},
		"the same keys":                 {charter(2, 2, "r1", "r2", "r3"), []string{"r2", "r3"}, nil},
		"too few of the old":            {charter(2, 1, "n1"), []string{"r1", "n1"}, trust.ErrThreshold},
		"none of the old":               {charter(2, 1, "n1"), []string{"n1"}, trust.ErrRole},
		"one of the old twice":          {charter(2, 1, "n1"), []string{"r1", "r1", "n1"}, trust.ErrThreshold},
		"none of the new":               {charter(2, 1, "n1"), []string{"r1", "r2"}, trust.ErrRole},
		"too few of the new":            {charter(2, 2, "n1", "n2"), []string{"r1", "r2", "n1"}, trust.ErrThreshold},
		"keys of other roles":           {charter(2, 2, "r1", "r2"), []string{"r1", "op"}, trust.ErrThreshold},
		"a gap":                         {charter(3, 2, "r1", "r2"), []string{"r1", "r2"}, trust.ErrOldCharter},
		"the same version":              {charter(1, 2, "r1", "r2"), []string{"r1", "r2"}, trust.ErrOldCharter},
		"a threshold lowered by itself": {charter(2, 1, "r1"), []string{"r1"}, trust.ErrThreshold},
	} {
		t.Run(name, func(t *testing.T) {
			e := sign(t, first, "r1", "r3")
			chain, err := trust.VerifyChain(fleetOf(t, e), []trust.Envelope{e})
			must(t, err)
			longer, err := chain.Extend(sign(t, c.next, c.signers...))
			if !errors.Is(err, c.want) || (err == nil) != (longer != nil) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if chain.Latest().Version != 1 || len(chain.Envelopes()) != 1 {
				t.Error("the shorter chain has changed")
			}
			if err != nil {
				return
			}
			if longer.Latest().Version != 2 || longer.Prefix(1).Latest().Version != 1 || longer.Fleet() != chain.Fleet() {
				t.Errorf("got version %d", longer.Latest().Version)
			}
			again, err := trust.VerifyChain(chain.Fleet(), longer.Envelopes())
			if err != nil || again.Latest().Version != 2 {
				t.Errorf("verified again: %v", err)
			}
			if _, err := longer.Extend(e); !errors.Is(err, trust.ErrOldCharter) {
				t.Errorf("going back: %v", err)
			}
		})
	}
}

func TestVerifyChain(t *testing.T) {
	e := sign(t, charter(1, 1, "r1"), "r1")
	id := fleetOf(t, e)
	other := sign(t, charter(1, 1, "r2"), "r2")
	second := sign(t, charter(2, 1, "r1"), "r1")
	unsigned := sign(t, charter(1, 1, "r1"), "r2")
	renamed := e
	renamed.PayloadType = trust.TypeInvite
	for name, c := range map[string]struct {
		pin  trust.FleetID
		all  []trust.Envelope
		want error
	}{
		"nothing":            {id, nil, trust.ErrMalformed},
		"another fleet's":    {id, []trust.Envelope{other}, trust.ErrForeignFleet},
		"begins with two":    {fleetOf(t, second), []trust.Envelope{second}, trust.ErrMalformed},
		"signed by another":  {id, []trust.Envelope{unsigned}, trust.ErrRole},
		"of another type":    {id, []trust.Envelope{renamed}, trust.ErrMalformed},
		"twice the same":     {id, []trust.Envelope{e, e}, trust.ErrOldCharter},
		"not base64":         {id, []trust.Envelope{{Payload: "!"}}, trust.ErrMalformed},
		"junk behind it":     {id, []trust.Envelope{e, {Payload: "!"}}, trust.ErrMalformed},
		"another in between": {id, []trust.Envelope{e, other, second}, trust.ErrOldCharter},
	} {
		if _, err := trust.VerifyChain(c.pin, c.all); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if c, err := trust.VerifyChain(id, []trust.Envelope{e, second}); err != nil || c.Latest().Version != 2 {
		t.Errorf("got %v", err)
	}
}

// TestAlteredCharter: a charter with one bit changed is the same charter or none.
func TestAlteredCharter(t *testing.T) {
	e := sign(t, charter(1, 1, "op"), "op")
	id := fleetOf(t, e)
	payload, err := e.DecodeB64Payload()
	must(t, err)
	for i := range payload {
		data := bytes.Clone(payload)
		data[i] ^= 1
		bad := e
		bad.Payload = base64.StdEncoding.EncodeToString(data)
		if _, err := trust.VerifyChain(id, []trust.Envelope{bad}); err == nil {
			t.Fatalf("byte %d of the payload", i)
		}
		if _, err := trust.VerifyChain(fleetOf(t, bad), []trust.Envelope{bad}); err == nil {
			t.Fatalf("byte %d of the payload, under its own digest", i)
		}
	}
	sig, err := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
	must(t, err)
	for i := range sig {
		data := bytes.Clone(sig)
		data[i] ^= 1
		bad := e
		bad.Signatures = slices.Clone(e.Signatures)
		bad.Signatures[0].Sig = base64.StdEncoding.EncodeToString(data)
		if _, err := trust.VerifyChain(id, []trust.Envelope{bad}); !errors.Is(err, trust.ErrRole) {
			t.Fatalf("byte %d of the signature: %v", i, err)
		}
	}
}

// TestCharterForm: what a charter may not be.
func TestCharterForm(t *testing.T) {
	for name, change := range map[string]func(*trust.Charter){
		"version 0":           func(c *trust.Charter) { c.Version = 0 },
		"no name":             func(c *trust.Charter) { c.Name = "" },
		"a long name":         func(c *trust.Charter) { c.Name = strings.Repeat("a", 64) },
		"no lifetime":         func(c *trust.Charter) { c.Expires = c.Issued },
		"a role less":         func(c *trust.Charter) { delete(c.Roles, trust.RoleAdmit) },
		"a role more":         func(c *trust.Charter) { c.Roles["king"] = grant(1, "op") },
		"another role":        func(c *trust.Charter) { delete(c.Roles, trust.RoleAdmit); c.Roles["king"] = grant(1, "op") },
		"threshold 0":         func(c *trust.Charter) { c.Roles[trust.RoleRoot] = grant(0, "op") },
		"more than its keys":  func(c *trust.Charter) { c.Roles[trust.RoleRoot] = grant(2, "op") },
		"a key twice":         func(c *trust.Charter) { c.Roles[trust.RoleRoot] = grant(2, "op", "op") },
		"a key that it lacks": func(c *trust.Charter) { c.Roles[trust.RoleRoot] = grant(1, "stranger") },
		"no such key":         func(c *trust.Charter) { c.Keys[keyID("op")] = publicOf("stranger") },
		"a short key":         func(c *trust.Charter) { c.Keys[keyID("op")] = publicOf("op")[:31] },
		"too many keys": func(c *trust.Charter) {
			for i := range 64 {
				c.Keys[keyID(fmt.Sprint(i))] = publicOf(fmt.Sprint(i))
			}
		},
		"a bad pattern": func(c *trust.Charter) {
			g := grant(1, "op")
			g.Scope = []string{"[a"}
			c.Roles[trust.RoleDeploy] = g
		},
		"too many patterns": func(c *trust.Charter) {
			g := grant(1, "op")
			g.Scope = slices.Repeat([]string{"a"}, 65)
			c.Roles[trust.RoleDeploy] = g
		},
	} {
		c := charter(1, 1, "op")
		change(&c)
		if _, err := trust.SignCharter(c, keyOf("op")); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%s: signed, %v", name, err)
		}
		payload, err := json.Marshal(c)
		must(t, err)
		if _, err := trust.DecodeCharter(payload); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%s: read, %v", name, err)
		}
	}
	good, err := json.Marshal(charter(1, 1, "op"))
	must(t, err)
	for name, payload := range map[string]string{
		"another field": strings.Replace(string(good), "{", `{"x":1,`, 1),
		"two values":    string(good) + "{}",
		"too large":     string(good) + strings.Repeat(" ", 32<<10),
		"cut short":     string(good[:len(good)-1]),
	} {
		if _, err := trust.DecodeCharter([]byte(payload)); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%s: read, %v", name, err)
		}
	}
}

func TestScope(t *testing.T) {
	for _, c := range []struct {
		scope []string
		name  string
		want  bool
	}{
		{nil, "app", false},
		{[]string{"*"}, "app", true},
		{[]string{"*"}, "a/b/c", true},
		{[]string{"app"}, "app", true},
		{[]string{"app"}, "app2", false},
		{[]string{"app/*"}, "app/api", true},
		{[]string{"app/*"}, "app", false},
		{[]string{"app/*"}, "app/api/v2", false},
		{[]string{"site:eu-*"}, "site:eu-1", true},
		{[]string{"site:eu-*"}, "site:us-1", false},
		{[]string{"db", "app"}, "app", true},
	} {
		if got := trust.Covers(c.scope, c.name); got != c.want {
			t.Errorf("%v over %q: %v", c.scope, c.name, got)
		}
	}
}

// TestThreshold: distinct keys count, not signatures.
func TestThreshold(t *testing.T) {
	c := charter(1, 2, "r1", "r2", "r3")
	envelope := func(names ...string) trust.Envelope {
		e, err := trust.Sign("x", []byte("payload"), keysOf(names...)...)
		must(t, err)
		return e
	}
	forged := envelope("r1", "r2")
	forged.Signatures[1].Sig = forged.Signatures[0].Sig
	swapped := envelope("r1", "r1")
	swapped.Signatures[1].KeyID = keyID("r2")
	nameless := envelope("r1", "r1")
	nameless.Signatures[0].KeyID = ""
	many := envelope(slices.Repeat([]string{"r1"}, trust.MaxSignatures+1)...)
	for name, c2 := range map[string]struct {
		e    trust.Envelope
		want error
	}{
		"two":                    {envelope("r1", "r2"), nil},
		"three":                  {envelope("r1", "r2", "r3"), nil},
		"one":                    {envelope("r1"), trust.ErrThreshold},
		"one twice":              {envelope("r1", "r1"), trust.ErrThreshold},
		"one and a stranger":     {envelope("r1", "op"), trust.ErrThreshold},
		"strangers":              {envelope("x", "y"), trust.ErrRole},
		"another's signature":    {forged, trust.ErrThreshold},
		"another's name":         {swapped, trust.ErrThreshold},
		"one without its name":   {nameless, trust.ErrThreshold},
		"more than is looked at": {many, trust.ErrMalformed},
		"none":                   {trust.Envelope{PayloadType: "x", Payload: "eA=="}, trust.ErrRole},
		"another type":           {trust.Envelope{PayloadType: "y"}, trust.ErrMalformed},
	} {
		payload, signers, err := c.Verify(c2.e, "x", trust.RoleRoot, "name")
		if !errors.Is(err, c2.want) || err == nil && (string(payload) != "payload" || len(signers) < 2) {
			t.Errorf("%s: got %v, want %v; %d signers", name, err, c2.want, len(signers))
		}
	}
}

func TestFound(t *testing.T) {
	chain, cred, err := trust.Found("acme", "s1", "n1", keyOf("op"), publicOf("node"), epoch.Add(time.Millisecond), new(stream))
	must(t, err)
	m, err := chain.Latest().Admit(chain.Fleet(), cred, epoch.Add(time.Hour))
	if err != nil || m.Name != "n1" || m.Site != "s1" || m.Uses != 1 || m.Node != nodeID("node") {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, _, err := trust.Found("", "s1", "n1", keyOf("op"), publicOf("node"), epoch, new(stream)); err == nil {
		t.Error("a fleet without a name")
	}
	var id trust.FleetID
	text, err := chain.Fleet().MarshalText()
	must(t, err)
	if err := id.UnmarshalText(text); err != nil || id != chain.Fleet() {
		t.Errorf("got %v, %v", id, err)
	}
	for _, bad := range []string{"", "xx", string(text[2:]), string(text) + "00"} {
		if err := id.UnmarshalText([]byte(bad)); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
