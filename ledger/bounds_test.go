package ledger_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

func wantRoom(t *testing.T, l *ledger.Ledger, maxCount, maxBytes int) {
	t.Helper()
	if count, bytes := l.WaitingRoom(); count > maxCount || bytes > maxBytes {
		t.Fatalf("%d records of %d bytes wait, at most %d of %d may", count, bytes, maxCount, maxBytes)
	}
}

// TestWaitingRoomOfAnAuthor: the newest of what an author has waiting stay.
func TestWaitingRoomOfAnAuthor(t *testing.T) {
	f := newFleet(t, oneOperator())
	l := f.watcher()
	a, admission := f.admitted("a", "s1")
	first := a.write(ledger.KindCommand, "", "", nil)
	var gap []ledger.Record
	for range ledger.MaxWaitingPerAuthor + 20 {
		gap = append(gap, a.write(ledger.KindCommand, "", "", nil))
	}
	slices.Reverse(gap) // the nearest come last, and stay
	for _, r := range gap {
		offer(t, l, ledger.Waiting, r)
		wantRoom(t, l, ledger.MaxWaitingPerAuthor, ledger.MaxWaitingBytesPerAuthor)
	}
	offer(t, l, ledger.Waiting, gap[len(gap)-1]) // once more: it does not wait twice
	offer(t, l, ledger.Stored, admission)
	if count, _ := l.WaitingRoom(); count != ledger.MaxWaitingPerAuthor {
		t.Errorf("%d wait, want %d", count, ledger.MaxWaitingPerAuthor)
	}
	offer(t, l, ledger.Stored, first)
	if count, bytes := l.WaitingRoom(); count != 0 || bytes != 0 {
		t.Errorf("%d of %d bytes wait, want none", count, bytes)
	}
	if got := maps.Collect(l.Frontier([]string{""}))[first.Feed].Seq; got != uint64(ledger.MaxWaitingPerAuthor+2) {
		t.Errorf("the feed ends at %d", got)
	}
}

func TestWaitingRoomBytesOfAnAuthor(t *testing.T) {
	f := newFleet(t, oneOperator())
	l := f.watcher()
	a := f.author("stranger")
	for range ledger.MaxWaitingBytesPerAuthor/ledger.MaxBody + 3 {
		offer(t, l, ledger.Waiting, a.write(ledger.KindCommand, "", "", make([]byte, ledger.MaxBody)))
		wantRoom(t, l, ledger.MaxWaitingPerAuthor, ledger.MaxWaitingBytesPerAuthor)
	}
}

// TestWaitingRoomOfAll: strangers fill the room to its bound and no further, and one that is
// admitted while it is full has its latest entries heard.
func TestWaitingRoomOfAll(t *testing.T) {
	f := newFleet(t, oneOperator())
	l := f.watcher()
	for i := range ledger.MaxWaiting + 50 {
		offer(t, l, ledger.Waiting, f.author(fmt.Sprint("stranger ", i)).write(ledger.KindReport, "", "", nil))
	}
	wantRoom(t, l, ledger.MaxWaiting, ledger.MaxWaitingBytes)
	a, admission := f.admitted("a", "s1")
	offer(t, l, ledger.Waiting, a.write(ledger.KindReport, "", "report", nil))
	wantRoom(t, l, ledger.MaxWaiting, ledger.MaxWaitingBytes)
	offer(t, l, ledger.Stored, admission)
	if len(l.Reports()) != 1 {
		t.Error("the report that waited is lost")
	}
}

func TestWaitingRoomBytesOfAll(t *testing.T) {
	f := newFleet(t, oneOperator())
	l := f.watcher()
	for i := range ledger.MaxWaitingBytes/ledger.MaxWaitingBytesPerAuthor + 2 {
		a := f.author(fmt.Sprint("stranger ", i))
		for range ledger.MaxWaitingBytesPerAuthor / ledger.MaxBody {
			offer(t, l, ledger.Waiting, a.write(ledger.KindReport, "", "", make([]byte, ledger.MaxBody)))
			wantRoom(t, l, ledger.MaxWaiting, ledger.MaxWaitingBytes)
		}
	}
}

// TestRegisterBound: of more keys than a feed may have those written last stay, in memory and in
// the log, whatever the order in which they came.
func TestRegisterBound(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	records := []ledger.Record{a.write(ledger.KindReport, "", "report", []byte("of long ago"))}
	for i := range ledger.MaxRegisters + 20 {
		records = append(records, a.write(ledger.KindBeacon, "", fmt.Sprint(i), nil))
	}
	backwards := slices.Clone(records)
	slices.Reverse(backwards)
	var views []view
	for _, order := range [][]ledger.Record{records, backwards} {
		log := new(memlog.Log)
		l := f.open("watcher", log)
		offer(t, l, ledger.Stored, admission)
		for _, r := range order {
			if _, err := l.Offer(r); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := l.Read(records[0].Feed, 0, 1<<20)
		must(t, err)
		if len(kept) != ledger.MaxRegisters || kept[0].Seq != 22 {
			t.Errorf("%d are kept, from %d", len(kept), kept[0].Seq)
		}
		if len(l.Reports()) != 0 {
			t.Error("a report that is not kept counts")
		}
		views = append(views, viewOf(t, l), viewOf(t, f.openBare("watcher", log)))
	}
	for _, v := range views[1:] {
		equalOrFatal(t, views[0], v)
	}
}

// TestStatementBound: the first of a feed count, others are kept; what is said through another node
// counts, and a node that has used its feed up is told.
func TestStatementBound(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	_, other := f.admitted("b", "s1")
	l := f.open("b", new(memlog.Log))
	l.BoundStatements(2)
	offer(t, l, ledger.Stored, admission, other)
	for i := range 4 {
		offer(t, l, ledger.Stored, a.write(ledger.KindRelease, "", "", f.release("a", fmt.Sprint(i), "x", 0, "op")))
	}
	for i := range 3 {
		_, err := l.Publish(ledger.KindRelease, "", "", f.release("b", fmt.Sprint(i), "x", 0, "op"))
		if want := i >= 2; errors.Is(err, ledger.ErrFull) != want {
			t.Errorf("release %d of its own: %v", i, err)
		}
	}
	var refs []string
	for _, r := range l.Releases() {
		refs = append(refs, r.Ref())
	}
	if want := []string{"a@0", "a@1", "b@0", "b@1"}; !slices.Equal(refs, want) {
		t.Errorf("releases %v, want %v", refs, want)
	}
}

// TestShownBound: false signatures do not crowd out the good ones that another feed shows.
func TestShownBound(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	good := f.release("app", "1", "x", 0, "op")
	env, err := ledger.ReadEnvelope(good)
	must(t, err)
	sig := env.Signatures[0]
	env.Signatures = nil
	for i := range ledger.MaxShown {
		bad := sig
		bad.KeyID = keyID(fmt.Sprint(i))
		env.Signatures = append(env.Signatures, bad)
	}
	env.Signatures = append(env.Signatures, sig)
	l := f.watcher()
	offer(t, l, ledger.Stored, admission, other, a.write(ledger.KindRelease, "", "", marshal(t, env)))
	if len(l.Releases()) != 0 {
		t.Error("a signature past the bound counts")
	}
	offer(t, l, ledger.Stored, b.write(ledger.KindRelease, "", "", good))
	if len(l.Releases()) != 1 {
		t.Error("the good signature was crowded out")
	}
}

// TestEntryBounds: the largest entry fits; what is larger is refused at both ends.
func TestEntryBounds(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.open("a", new(memlog.Log))
	offer(t, l, ledger.Stored, admission)
	scope, key := strings.Repeat("s", 63), strings.Repeat("k", 256)
	_, err := l.Publish(ledger.KindCommand, scope, key, make([]byte, ledger.MaxBody))
	must(t, err)
	e, err := l.Publish(ledger.KindCommand, scope, key, make([]byte, ledger.MaxBody))
	must(t, err)
	records, err := l.Read(e.Feed().Key(), 1, 1)
	must(t, err)
	if len(records) != 1 || len(records[0].Data) > ledger.MaxEntry {
		t.Errorf("%d records, the first of %d bytes", len(records), len(records[0].Data))
	}
	for name, publish := range map[string]func() error{
		"body":  func() error { return second(l.Publish(ledger.KindCommand, "", "", make([]byte, ledger.MaxBody+1))) },
		"key":   func() error { return second(l.Publish(ledger.KindCommand, "", key+"k", nil)) },
		"zero":  func() error { return second(l.Publish(ledger.KindCommand, "", "a\x00b", nil)) },
		"scope": func() error { return second(l.Publish(ledger.KindCommand, scope+"s", "", nil)) },
		"bytes": func() error {
			r := a.write(ledger.KindReport, "", "", nil)
			r.Data = append(r.Data, make([]byte, ledger.MaxEntry)...)
			return second(l.Offer(r))
		},
	} {
		if err := publish(); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
