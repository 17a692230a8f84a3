package ledger_test

import (
	"testing"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

func TestPublishAndSpread(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(memlog.Log)
	a := f.open("a", log)
	if _, err := a.Publish(ledger.KindReport, "", "report", nil); err != ledger.ErrNotMember {
		t.Fatalf("got %v", err)
	}
	b := f.watcher()
	a.OnStored(func(r ledger.Record) { offer(t, b, ledger.Stored, r) })
	publish := func(kind ledger.Kind, body []byte) {
		t.Helper()
		if _, err := a.Publish(kind, "", "report", body); err != nil {
			t.Fatal(err)
		}
	}
	publish(ledger.KindAdmission, f.author("a").credential(f.ticket("s1", 1, "op"), 0))
	publish(ledger.KindRelease, f.release("app", "1", "blob", 0, "op"))
	body, _ := f.deploy(ledger.Deployment{Name: "app", Generation: 1, Declared: epoch}, "op")
	publish(ledger.KindDeployment, body)
	publish(ledger.KindReport, []byte("fine"))
	publish(ledger.KindReport, []byte("finer"))
	for _, body := range []string{"led", "leads"} {
		if _, err := a.Publish(ledger.KindLease, "s1", "site", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []*ledger.Ledger{a, b, f.openBare("a", log)} {
		if got := l.Releases(); len(got) != 1 || got[0].Ref() != "app@1" || len(got[0].Signers) != 1 {
			t.Errorf("releases: %+v", got)
		}
		if got := l.Deployments(); len(got) != 1 || len(got[0].Heads) != 1 {
			t.Errorf("deployments: %+v", got)
		}
		if got := l.Reports(); len(got) != 1 || string(got[0].Body) != "finer" {
			t.Errorf("reports: %+v", got)
		}
		if got := l.LeasesOf("s1"); len(got) != 1 || string(got[0].Body) != "leads" || len(l.LeasesOf("s2")) != 0 {
			t.Errorf("leases: %+v", got)
		}
		if got := l.Nodes(); len(got) != 1 || got[0].Name != "a" || got[0].Quarantined != "" {
			t.Errorf("nodes: %+v", got)
		}
		if l.Root([]string{""}) != a.Root([]string{""}) {
			t.Error("roots differ")
		}
	}
}

func TestForkSmoke(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	r1 := a.write(ledger.KindRelease, "", "", f.release("app", "1", "one", 0, "op"))
	r2 := b.write(ledger.KindRelease, "", "", f.release("app", "2", "two", 0, "op"))
	r3 := b.write(ledger.KindRelease, "", "", f.release("app", "3", "three", 0, "op"))
	x, y := f.watcher(), f.watcher()
	offer(t, x, ledger.Stored, admission, r1, r2, r3)
	offer(t, y, ledger.Stored, admission, r2, r3, r1)
	z := f.watcher()
	offer(t, z, ledger.Stored, admission, r1)
	if got := z.Releases(); len(got) != 1 || len(got[0].Carriers) != 1 || got[0].Carriers[0] != a.id {
		t.Errorf("before it is known to be forked: %+v", got)
	}
	offer(t, z, ledger.Stored, r2)
	for _, r := range z.Releases() {
		if len(r.Carriers) > 0 {
			t.Errorf("a forked feed carries %+v", r)
		}
	}
	if len(x.Releases()) != 3 || len(y.Releases()) != 3 || x.Root([]string{""}) != y.Root([]string{""}) {
		t.Errorf("%v %v", x.Releases(), y.Releases())
	}
	if x.Nodes()[0].Quarantined == "" {
		t.Error("not quarantined")
	}
}
