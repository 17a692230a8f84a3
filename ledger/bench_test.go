package ledger_test

import (
	"fmt"
	"testing"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

// BenchmarkOffer takes entries one by one; the author's signature is most of the cost.
func BenchmarkOffer(b *testing.B) {
	f := newFleet(b, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.watcher()
	offer(b, l, ledger.Stored, admission)
	var records []ledger.Record
	for b.Loop() {
		b.StopTimer()
		if len(records) == 0 {
			for range 1000 {
				records = append(records, a.write(ledger.KindReport, "", "report", make([]byte, 500)))
			}
		}
		b.StartTimer()
		offer(b, l, ledger.Stored, records[0])
		records = records[1:]
	}
}

// BenchmarkOfferAmongMany takes entries one by one in a fleet of a thousand nodes.
func BenchmarkOfferAmongMany(b *testing.B) {
	f := newFleet(b, oneOperator())
	l := f.open("watcher", new(memlog.Log))
	var authors []*author
	var records []ledger.Record
	for i := range 1000 {
		a, admission := f.admitted(fmt.Sprint("n", i), "s1")
		authors, records = append(authors, a), append(records, admission)
	}
	l.OfferAll(records)
	i := 0
	for b.Loop() {
		b.StopTimer()
		r := authors[i%len(authors)].write(ledger.KindReport, "", "report", make([]byte, 500))
		i++
		b.StartTimer()
		offer(b, l, ledger.Stored, r)
	}
}

// thousand is a log of a fleet of a thousand nodes, each with an admission and a report, and of a
// thousand releases.
func thousand(b *testing.B) (*fleet, *memlog.Log) {
	f := newFleet(b, oneOperator())
	log := new(memlog.Log)
	l := f.open("watcher", log)
	var records []ledger.Record
	for i := range 1000 {
		a, admission := f.admitted(fmt.Sprint("n", i), "s1")
		records = append(records, admission, a.write(ledger.KindReport, "", "report", make([]byte, 500)),
			a.write(ledger.KindRelease, "", "", f.release("app", fmt.Sprint(i), "x", 0, "op")))
	}
	l.OfferAll(records)
	return f, log
}

// BenchmarkOpen restarts a node of such a fleet.
func BenchmarkOpen(b *testing.B) {
	f, log := thousand(b)
	for b.Loop() {
		if l := f.openBare("watcher", log); len(l.Nodes()) != 1000 || len(l.Releases()) != 1000 {
			b.Fatal("not all was read")
		}
	}
}

// BenchmarkRoot is what each hello and each exchange begins with, here after one entry more.
func BenchmarkRoot(b *testing.B) {
	f, log := thousand(b)
	l := f.openBare("watcher", log)
	a, admission := f.admitted("late", "s1")
	l.OfferAll([]ledger.Record{admission})
	for b.Loop() {
		b.StopTimer()
		l.OfferAll([]ledger.Record{a.write(ledger.KindReport, "", "report", make([]byte, 500))})
		b.StartTimer()
		l.Root([]string{"", "s1"})
	}
}

// BenchmarkQueries asks for all that a node looks at when something has changed.
func BenchmarkQueries(b *testing.B) {
	f, log := thousand(b)
	l := f.openBare("watcher", log)
	for b.Loop() {
		l.Nodes()
		l.Reports()
		l.Releases()
		l.Deployments()
	}
}
