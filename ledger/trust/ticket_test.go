package trust_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/ledger/trust"
)

func TestTicketText(t *testing.T) {
	chain := found(t)
	tk := ticket(t, invite(chain), "op")
	text := tk.String()
	wrapped := strings.Join(slices.Collect(func(yield func(string) bool) {
		for i := 0; i < len(text); i += 64 {
			if !yield(text[i:min(i+64, len(text))]) {
				return
			}
		}
	}), "\r\n\t  ")
	for name, s := range map[string]string{"as it is": text, "wrapped": " \n" + wrapped + "\n"} {
		got, err := trust.ParseTicket(s)
		must(t, err)
		if diff := cmp.Diff(tk, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	inv, err := tk.Peek()
	must(t, err)
	if inv.Site != "s1" || inv.Lifetime != trust.DefaultLifetime || inv.Labels["tier"] != "pos" {
		t.Errorf("got %+v", inv)
	}
}

// TestSpoiltTicket: what a person can do to a ticket is found out and said.
func TestSpoiltTicket(t *testing.T) {
	text := ticket(t, invite(found(t)), "op").String()
	for i := range len(text) {
		if _, err := trust.ParseTicket(text[:i]); !errors.Is(err, trust.ErrMalformed) {
			t.Fatalf("cut at %d: %v", i, err)
		}
		other := byte('A')
		if text[i] == other {
			other = 'B'
		}
		if _, err := trust.ParseTicket(text[:i] + string(other) + text[i+1:]); !errors.Is(err, trust.ErrMalformed) {
			t.Fatalf("mistyped at %d: %v", i, err)
		}
		if i > 0 && text[i] != text[i-1] {
			swapped := text[:i-1] + string(text[i]) + string(text[i-1]) + text[i+1:]
			if _, err := trust.ParseTicket(swapped); !errors.Is(err, trust.ErrMalformed) {
				t.Fatalf("swapped at %d: %v", i, err)
			}
		}
	}
	for _, bad := range []string{"", "hello", trust.TicketPrefix, text + "A", text + text, strings.ToUpper(text), trust.TicketPrefix + strings.Repeat("A", trust.MaxTicket)} {
		if _, err := trust.ParseTicket(bad); !errors.Is(err, trust.ErrMalformed) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

// TestTicketOfAnotherInvite: a one-time key that is not the invite's is of no use.
func TestTicketOfAnotherInvite(t *testing.T) {
	chain := found(t)
	tk := ticket(t, invite(chain), "op")
	tk.Key = keyOf("other")
	if _, err := trust.ParseTicket(tk.String()); !errors.Is(err, trust.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestInviteForm(t *testing.T) {
	chain := found(t)
	for name, change := range map[string]func(*trust.Invite){
		"no site":            func(i *trust.Invite) { i.Site = "" },
		"a bad site":         func(i *trust.Invite) { i.Site = "Shop 1" },
		"no use":             func(i *trust.Invite) { i.Uses = 0 },
		"too many uses":      func(i *trust.Invite) { i.Uses = 10001 },
		"two that are first": func(i *trust.Invite) { i.Uses, i.First = 2, true },
		"expired at once":    func(i *trust.Invite) { i.Expires = i.Issued },
		"no lifetime":        func(i *trust.Invite) { i.Lifetime = -1 },
		"less than a second": func(i *trust.Invite) { i.Lifetime = trust.Lifetime(trust.MinLifetime - 1) },
		"a long lifetime":    func(i *trust.Invite) { i.Lifetime = trust.Lifetime(trust.MaxLifetime + 1) },
		"a bad label":        func(i *trust.Invite) { i.Labels = map[string]string{"A b": ""} },
		"a long label":       func(i *trust.Invite) { i.Labels = map[string]string{"a": strings.Repeat("x", 257)} },
		"a long address":     func(i *trust.Invite) { i.Bootstrap = []string{strings.Repeat("x", 257)} },
		"too many of them":   func(i *trust.Invite) { i.Bootstrap = make([]string, 17) },
		"too many labels": func(i *trust.Invite) {
			i.Labels = map[string]string{}
			for n := range 33 {
				i.Labels[fmt.Sprint("l", n)] = ""
			}
		},
		"too much in all": func(i *trust.Invite) {
			i.Labels = map[string]string{}
			for n := range 32 {
				i.Labels[fmt.Sprint("l", n)] = strings.Repeat("x", 200)
			}
		},
	} {
		inv := invite(chain)
		change(&inv)
		if _, err := trust.NewTicket(inv, new(stream), keyOf("op")); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

// TestFirst: a credential says whether it makes its node the first of its site, and an invite that does not looks as it did before there were such.
func TestFirst(t *testing.T) {
	for _, first := range []bool{true, false} {
		inv := invite(found(t))
		inv.Uses, inv.First = 1, first
		ticket, err := trust.NewTicket(inv, new(stream), keyOf("op"))
		if err != nil {
			t.Fatal(err)
		}
		cred, err := ticket.Bind(keyOf("node").Public().(ed25519.PublicKey), "n", inv.Issued)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := trust.ParseCredential(cred.Marshal()); err != nil || again.First() != first {
			t.Errorf("first is %v, %v", again.First(), err)
		}
		payload, err := ticket.Invite.DecodeB64Payload()
		if err != nil || strings.Contains(string(payload), "first") != first {
			t.Errorf("%s, %v", payload, err)
		}
	}
}

// TestBind: a ticket binds a node while it is open. A clock before its issue is known to be wrong.
func TestBind(t *testing.T) {
	chain := found(t)
	tk := ticket(t, invite(chain), "op")
	for name, c := range map[string]struct {
		now   time.Time
		bound time.Time
		want  error
	}{
		"while it is open": {epoch.Add(time.Hour), epoch.Add(time.Hour), nil},
		"at its end":       {epoch.Add(24 * time.Hour), epoch.Add(24 * time.Hour), nil},
		"after its end":    {epoch.Add(24*time.Hour + time.Second), time.Time{}, trust.ErrExpired},
		"in 1970":          {time.Unix(0, 0), epoch, nil},
	} {
		cred, err := tk.Bind(publicOf("node"), "n1", c.now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err != nil {
			continue
		}
		m, err := chain.Latest().Admit(chain.Fleet(), cred, c.now)
		if err != nil || !m.Bound.Equal(c.bound) || m.Node != nodeID("node") || cred.Node() != m.Node {
			t.Errorf("%s: got %+v, %v", name, m, err)
		}
	}
	for _, name := range []string{"", "N1", "a b", strings.Repeat("a", 64)} {
		if _, err := tk.Bind(publicOf("node"), name, epoch); err == nil {
			t.Errorf("bound as %q", name)
		}
	}
}

// TestLargestTicket: whatever invite can be made, its ticket and its credential can be read.
func TestLargestTicket(t *testing.T) {
	chain := found(t)
	inv := invite(chain)
	var largest trust.Ticket
	for {
		inv.Bootstrap = append(inv.Bootstrap, strings.Repeat("x", 256))
		if len(inv.Bootstrap) > 16 {
			inv.Bootstrap = inv.Bootstrap[:16]
			inv.Labels[fmt.Sprint("l", len(inv.Labels))] = strings.Repeat("x", 64)
		}
		tk, err := trust.NewTicket(inv, new(stream), keyOf("op"))
		if err != nil {
			break
		}
		largest = tk
	}
	back, err := trust.ParseTicket(largest.String())
	must(t, err)
	cred, err := back.Bind(publicOf("node"), strings.Repeat("n", 63), epoch)
	must(t, err)
	c, err := trust.ParseCredential(cred.Marshal())
	must(t, err)
	if _, err := chain.Latest().Admit(chain.Fleet(), c, epoch); err != nil {
		t.Error(err)
	}
}
