package ledger_test

import (
	"strings"
	"testing"
	"time"

	"selvage/ledger"
	"selvage/ledger/trust"
)

// TestMemberAtTheDoor: a member is let in by the credential that it shows, and not by another of its own that stands: one of a
// ticket that was revoked or used up, or that a revoked key signed, does not bring it to another site, nor back when its own has
// expired.
func TestMemberAtTheDoor(t *testing.T) {
	f := newFleet(t, operators(1, "op", "thief"))
	a, admitted := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	serial := func(ticket trust.Ticket) string {
		inv, err := ticket.Peek()
		must(t, err)
		return inv.Serial
	}
	spent, withdrawn, stolen, good := f.ticket("s2", 1, "op"), f.ticket("s2", 1, "op"), f.ticket("s2", 1, "thief"), f.ticket("s2", 1, "op")
	for name, c := range map[string]struct {
		ticket trust.Ticket
		want   string // "": it is let in
	}{
		"a ticket that is used up":   {spent, "used up"},
		"a ticket that was revoked":  {withdrawn, "joined with a ticket that was revoked"},
		"a ticket by a revoked key":  {stolen, "was invited by a key that was revoked"},
		"another ticket that stands": {good, ""},
	} {
		for _, recorded := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				l := f.watcher()
				a, b := a.backup(ledger.Durable, ledger.Urgent), b.backup(ledger.Durable, ledger.Urgent)
				offer(t, l, ledger.Stored, admitted, other, b.write(ledger.KindAdmission, "", "", b.credential(spent, 0)),
					b.revoked(ledger.Revocation{Subject: ledger.SubjectInvite, ID: serial(withdrawn)}, "op"),
					b.revoked(ledger.Revocation{Subject: ledger.SubjectKey, ID: keyID("thief")}, "op"))
				shown := a.credential(c.ticket, time.Minute)
				if recorded {
					offer(t, l, ledger.Stored, a.write(ledger.KindAdmission, "", "", shown))
				}
				cred, err := trust.ParseCredential(shown)
				must(t, err)
				m, err := l.Admit(cred, epoch.Add(time.Hour))
				if c.want == "" && (err != nil || m.Site != "s2") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("recorded %v: let in to %q (%v), want %q", recorded, m.Site, err, c.want)
				}
			})
		}
	}
}
