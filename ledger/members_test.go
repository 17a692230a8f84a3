package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

// TestTicketUsedTooOften: those who bound themselves first stand, whoever was heard first; of the
// others nothing is believed, and people are told who used the ticket up.
func TestTicketUsedTooOften(t *testing.T) {
	f := newFleet(t, oneOperator())
	ticket := f.ticket("s1", 2, "op")
	var records []ledger.Record
	var authors []*author
	for i, name := range []string{"third", "first", "second", "fourth"} {
		a := f.author(name)
		hours := []int{3, 1, 2, 4}[i]
		records = append(records, a.write(ledger.KindAdmission, "", "", a.credential(ticket, time.Duration(hours)*time.Hour)),
			a.write(ledger.KindReport, "", "report", []byte(name)))
		authors = append(authors, a)
	}
	invite, err := ticket.Peek()
	must(t, err)
	for range 2 {
		l := f.watcher()
		offer(t, l, ledger.Stored, records[:2]...)
		if n, _ := l.Node(authors[0].id); n.Quarantined != "" {
			t.Errorf("alone: %q", n.Quarantined)
		}
		l.OfferAll(records)
		for _, a := range authors {
			n, _ := l.Node(a.id)
			want := ""
			if a.name == "third" || a.name == "fourth" {
				want = "joined with a ticket for 2 that was used up by second (" + authors[2].id.Short() + ")"
			}
			if n.Quarantined != want {
				t.Errorf("%s: %q, want %q", a.name, n.Quarantined, want)
			}
		}
		var names []string
		for _, n := range l.Invited(invite.Serial) {
			names = append(names, n.Name)
		}
		if diff := cmp.Diff([]string{"first", "second", "third", "fourth"}, names); diff != "" {
			t.Error(diff)
		}
		var reports []string
		for _, r := range l.Reports() {
			reports = append(reports, string(r.Body))
		}
		slices.Sort(reports)
		if diff := cmp.Diff([]string{"first", "second"}, reports); diff != "" {
			t.Error(diff)
		}
		records = slices.Concat(records[:2], records[4:], records[2:4])
	}
}

// TestRenewal: of several credentials that stand the one that lasts longest counts; a node whose
// first ticket was used up is in good standing again with another.
func TestRenewal(t *testing.T) {
	f := newFleet(t, oneOperator())
	shared := f.ticket("s1", 1, "op")
	a, b := f.author("a"), f.author("b")
	l := f.watcher()
	offer(t, l, ledger.Stored,
		a.write(ledger.KindAdmission, "", "", a.credential(shared, time.Hour)),
		b.write(ledger.KindAdmission, "", "", b.credential(shared, 0)))
	if n, _ := l.Node(a.id); n.Quarantined == "" {
		t.Fatal("not quarantined")
	}
	offer(t, l, ledger.Stored, a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s2", 1, "op"), 2*time.Hour)))
	if n, _ := l.Node(a.id); n.Quarantined != "" || n.Site != "s2" {
		t.Errorf("got %+v", n)
	}
	if n, _ := l.Node(b.id); n.Quarantined != "" {
		t.Errorf("got %+v", n)
	}
}

// TestAdmissionByOthers: a credential admits whom it names, and only by that node's own entry.
func TestAdmissionByOthers(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b := f.author("b")
	cred := b.credential(f.ticket("s1", 1, "op"), 0)
	l := f.watcher()
	offer(t, l, ledger.Stored, admission, a.write(ledger.KindAdmission, "", "", cred))
	offer(t, l, ledger.Waiting, b.write(ledger.KindReport, "", "", nil))
	if _, ok := l.Node(b.id); ok || len(l.Nodes()) != 1 {
		t.Error("admitted by another's entry")
	}
	c := f.author("c")
	offer(t, l, ledger.Waiting, c.write(ledger.KindAdmission, "", "", cred))
	offer(t, l, ledger.Stored, b.write(ledger.KindAdmission, "", "", cred))
	if n, ok := l.Node(b.id); !ok || n.Name != "b" {
		t.Errorf("got %+v, %v", n, ok)
	}
	if len(l.Reports()) != 1 {
		t.Error("what waited for the admission is lost")
	}
}

// TestAdmissionBeforeItsCharter: a node whose inviter only a later charter knows is heard when the
// charter has come, with all that it said before.
func TestAdmissionBeforeItsCharter(t *testing.T) {
	f := newFleet(t, operators(1, "o1"))
	a := f.author("a")
	l := f.watcher()
	offer(t, l, ledger.Waiting, a.write(ledger.KindAdmission, "", "", a.credential(f.ticket("s1", 1, "o2"), 0)),
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "o2")))
	must(t, l.Learn(append(slices.Clone(f.chain), signCharter(t, operators(1, "o1", "o2").charter(2), "o1"))))
	if n, ok := l.Node(a.id); !ok || n.Quarantined != "" || len(l.Releases()) != 1 {
		t.Errorf("got %+v, %v, releases %v", n, ok, l.Releases())
	}
}

// TestSerialCannotBeTaken: a ticket that another inviter makes is another invite, so it cannot use
// this one up.
func TestSerialCannotBeTaken(t *testing.T) {
	f := newFleet(t, operators(1, "o1", "o2"))
	one, err := f.ticket("s1", 1, "o1").Peek()
	must(t, err)
	two, err := f.ticket("s1", 1, "o2").Peek()
	must(t, err)
	if one.Serial == two.Serial || len(one.Serial) != 32 {
		t.Errorf("serials %s and %s", one.Serial, two.Serial)
	}
}

// TestNames: nodes are listed by site and name; forks are told of by name.
func TestNames(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(memlog.Log)
	l := f.open("watcher", log)
	var all []*author
	for _, n := range [][2]string{{"b", "s2"}, {"c", "s1"}, {"a", "s2"}} {
		a, admission := f.admitted(n[0], n[1])
		offer(t, l, ledger.Stored, admission)
		all = append(all, a)
	}
	var got []string
	for _, n := range l.Nodes() {
		got = append(got, n.Site+"/"+n.Name)
	}
	if diff := cmp.Diff([]string{"s1/c", "s2/a", "s2/b"}, got); diff != "" {
		t.Error(diff)
	}
	b := all[0].backup(ledger.Register)
	offer(t, l, ledger.Stored, all[0].write(ledger.KindReport, "", "report", nil), b.write(ledger.KindReport, "", "other", nil))
	if forks := l.Forks(); len(forks) != 1 || !strings.HasPrefix(forks[0], "b (") {
		t.Errorf("forks %v", forks)
	}
	entries, err := l.Entries()
	must(t, err)
	if len(entries) != 4 || !slices.IsSortedFunc(entries, func(a, b ledger.EntryInfo) int { return int(a.Time) - int(b.Time) }) {
		t.Errorf("%d entries", len(entries))
	}
}
