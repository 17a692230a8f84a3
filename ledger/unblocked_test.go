package ledger_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

// slowLog is a log on a disk that takes its time.
type slowLog struct {
	memlog.Log
	sync time.Duration
}

func (l *slowLog) Commit(b ledger.Batch) error {
	time.Sleep(l.sync)
	return l.Log.Commit(b)
}

// answers is all that can be asked of a ledger.
type answers struct {
	View     view
	Node     ledger.Node
	Known    bool
	Invited  int
	Frontier map[string]ledger.Mark
	Records  int
	Beacons  int
	Now      time.Time
	Revision uint64
}

func ask(t testing.TB, l *ledger.Ledger, a *author) answers {
	t.Helper()
	x := answers{View: viewOf(t, l, "s1"), Frontier: maps.Collect(l.Frontier([]string{"", "s1"})),
		Beacons: len(l.BeaconsOf("s1")), Now: l.Now(), Revision: l.Revision()}
	x.Node, x.Known = l.Node(a.id)
	x.Invited = len(l.Invited(x.Node.Serial))
	for feed := range x.Frontier {
		records, err := l.Read(feed, 0, 1<<20)
		must(t, err)
		x.Records += len(records)
	}
	return x
}

// TestQueriesDoNotWait: while a change of any kind is being written to a slow disk, each query answers at
// once, with what was before; once it is written, with what is then.
func TestQueriesDoNotWait(t *testing.T) {
	f := newFleet(t, oneOperator())
	ticket := f.ticket("s1", 1, "op")
	join := func(name string, after time.Duration) (*author, ledger.Record) {
		a := f.author(name)
		return a, a.write(ledger.KindAdmission, "", "", a.credential(ticket, after))
	}
	a, first := join("a", time.Hour)
	b, earlier := join("b", time.Minute)
	fork := a.backup(ledger.Durable)
	deployment, _ := f.deploy(ledger.Deployment{Name: "app", Generation: 1, Declared: epoch.Add(2 * time.Hour)}, "op")
	revocation, _ := f.revoke(ledger.Revocation{Subject: ledger.SubjectNode, ID: b.id.String(), Declared: epoch.Add(3 * time.Hour)}, "op")
	records := []ledger.Record{
		first,
		a.write(ledger.KindReport, "", "report", []byte("one")),
		a.write(ledger.KindBeacon, "", "site", []byte("one")),
		a.write(ledger.KindReport, "", "report", []byte("two")),
		a.write(ledger.KindCommand, "s1", "", nil),
		a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", time.Hour, "op")),
		a.write(ledger.KindDeployment, "", "", deployment),
		earlier, // the ticket was for one, so a is quarantined
		a.write(ledger.KindCharter, "", "", marshal(t, signCharter(t, operators(1, "op", "op2").charter(2), "op"))),
		fork.write(ledger.KindCommand, "", "x", nil),
		fork.write(ledger.KindRelease, "", "", f.release("app", "2", "x", 2*time.Hour, "op")),
		b.write(ledger.KindRelease, "", "", f.release("app", "2", "x", 2*time.Hour, "op2")),
		b.write(ledger.KindRevocation, "", "", revocation),
	}
	synctest.Test(t, func(t *testing.T) {
		log := &slowLog{sync: time.Second}
		l := f.in(t).open("watcher", log)
		for i, r := range records {
			before, changed := ask(t, l, a), l.Changed()
			go func() {
				if outcome, err := l.Offer(r); err != nil || outcome != ledger.Stored {
					t.Errorf("record %d: outcome %v, %v", i, outcome, err)
				}
			}()
			synctest.Wait()
			begin := time.Now()
			if diff := cmp.Diff(before, ask(t, l, a)); diff != "" {
				t.Fatalf("record %d: before it was durable (-want +got):\n%s", i, diff)
			}
			if took := time.Since(begin); took != 0 {
				t.Fatalf("record %d: queries waited %v", i, took)
			}
			if isClosed(changed) {
				t.Errorf("record %d: changed before it was durable", i)
			}
			time.Sleep(log.sync)
			synctest.Wait()
			if !isClosed(changed) {
				t.Errorf("record %d: not changed", i)
			}
			after := ask(t, l, a)
			equalOrFatal(t, after.View, viewOf(t, f.openBare("watcher", log), "s1"))
			if after.View.Root == before.View.Root {
				t.Errorf("record %d: the root is the same", i)
			}
		}
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
