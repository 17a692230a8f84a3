package ledger_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

var errDiskFull = errors.New("no space left on device")

// full fails every commit.
func full(ledger.Batch) error { return errDiskFull }

func wantStorage(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, ledger.ErrStorage) || !errors.Is(err, errDiskFull) || errors.Is(err, ledger.ErrMalformed) || errors.Is(err, ledger.ErrSignature) {
		t.Errorf("got %v, want ErrStorage and its cause", err)
	}
}

// TestToldWhenDurable: what OnStored hears of is in the log already, and can be read.
func TestToldWhenDurable(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(memlog.Log)
	l := f.open("watcher", log)
	a, admission := f.admitted("a", "s1")
	var told []ledger.Record
	l.OnStored(func(r ledger.Record) {
		if data, err := log.Get(r.Feed, r.Seq); err != nil || string(data) != string(r.Data) {
			t.Errorf("told of %d before it was stored: %v", r.Seq, err)
		}
		told = append(told, r)
	})
	b := a.backup(ledger.Durable)
	one, other, last := a.write(ledger.KindCommand, "", "", nil), b.write(ledger.KindCommand, "", "x", nil), a.write(ledger.KindCommand, "", "", nil)
	l.OfferAll([]ledger.Record{last, one, admission, one})
	offer(t, l, ledger.Stored, other)
	var seqs []uint64
	for _, r := range told {
		seqs = append(seqs, r.Seq)
	}
	if want := []uint64{1, 2, 3, ledger.ProofSeq}; !slices.Equal(seqs, want) {
		t.Errorf("told of %v, want %v", seqs, want)
	}
	if last := told[len(told)-1]; !ledger.IsProof(last.Data) {
		t.Error("the last is no proof")
	}
}

// TestDiskFull: what cannot be stored was never taken, nobody is told of it, the sender is not to
// blame, and the ledger goes on when there is room again.
func TestDiskFull(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(memlog.Log)
	l := f.open("a", log)
	a, admission := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	offer(t, l, ledger.Stored, admission, other)
	before, changed := viewOf(t, l), l.Changed()
	var told []ledger.Record
	l.OnStored(func(r ledger.Record) { told = append(told, r) })

	log.Fail = full
	outcomes, errs := l.OfferAll([]ledger.Record{b.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 0, "op")), {Feed: "junk"}})
	for i := range outcomes {
		if outcomes[i] != ledger.Rejected {
			t.Errorf("record %d: outcome %v", i, outcomes[i])
		}
		wantStorage(t, errs[i])
	}
	_, err := l.Publish(ledger.KindCommand, "", "", nil)
	wantStorage(t, err)
	fork := a.backup(ledger.Durable)
	fork.last = map[string]tip{}
	_, err = l.Offer(fork.write(ledger.KindCommand, "", "", nil))
	wantStorage(t, err)
	next := signCharter(t, operators(1, "op", "op2").charter(2), "op")
	wantStorage(t, l.Learn(append(f.chain, next)))
	equalOrFatal(t, before, viewOf(t, l))
	select {
	case <-changed:
		t.Error("changed, though nothing has")
	default:
	}

	log.Fail = nil
	equalOrFatal(t, before, viewOf(t, f.openBare("a", log)))
	must(t, l.Learn(append(f.chain, next)))
	if e, err := l.Publish(ledger.KindCommand, "", "", nil); err != nil || e.Seq != 2 || len(told) != 1 {
		t.Errorf("published %+v, %v, told of %d", e, err, len(told))
	}
}

// TestFailuresLeaveNothing: whatever was not stored for a time, the view in the end is the same.
func TestFailuresLeaveNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := draw(t, rt, []ledger.Lane{ledger.Durable, ledger.Urgent}, "s1")
		straight, m := p.machine(), p.machine()
		straight.feed(rt, p.records, false)
		records := shuffled(rt, p.records)
		for len(records) > 0 {
			n := rapid.IntRange(1, min(len(records), 8)).Draw(rt, "batch")
			if rapid.IntRange(0, 3).Draw(rt, "fail") > 0 {
				m.OfferAll(records[:n])
			} else {
				before := viewOf(t, m.Ledger, "s1")
				m.log.Fail = full
				m.OfferAll(records[:n])
				m.log.Fail = nil
				equalViews(t, rt, before, viewOf(t, m.Ledger, "s1"), "after a failure")
			}
			records = records[n:]
		}
		m.settle(rt, p.records)
		equalViews(t, rt, viewOf(t, straight.Ledger, "s1"), viewOf(t, m.Ledger, "s1"), "in the end")
	})
}

// brokenLog cannot be read for a while.
type brokenLog struct {
	memlog.Log
	broken bool
}

func (l *brokenLog) Scan(f func(string, uint64, []byte) error) error {
	if l.broken {
		return errDiskFull
	}
	return l.Log.Scan(f)
}

func (l *brokenLog) Get(feed string, seq uint64) ([]byte, error) {
	if l.broken {
		return nil, errDiskFull
	}
	return l.Log.Get(feed, seq)
}

// TestLogUnreadable: a log that can be neither written nor read stops the ledger only as long as
// that lasts.
func TestLogUnreadable(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(brokenLog)
	l := f.open("watcher", log)
	a, admission := f.admitted("a", "s1")
	offer(t, l, ledger.Stored, admission)
	before := viewOf(t, l)
	one, two := a.write(ledger.KindCommand, "", "", nil), a.write(ledger.KindCommand, "", "", nil)

	log.broken, log.Fail = true, full
	_, err := l.Offer(one)
	wantStorage(t, err)
	if _, err := l.Read(one.Feed, 0, 1<<20); !errors.Is(err, ledger.ErrStorage) {
		t.Errorf("read: %v", err)
	}
	log.Fail = nil
	_, err = l.Offer(two)
	wantStorage(t, err)

	log.broken = false
	offer(t, l, ledger.Waiting, two)
	if got := viewOf(t, l); got.Root != before.Root {
		t.Error("the ledger holds what was not stored")
	}
	offer(t, l, ledger.Stored, one)
	offer(t, l, ledger.Known, two)
}

// TestForkUnreadable: a rival whose own branch cannot be read is not taken, and not held against
// whoever sent it.
func TestForkUnreadable(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(brokenLog)
	l := f.open("watcher", log)
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	offer(t, l, ledger.Stored, admission, a.write(ledger.KindCommand, "", "", nil))
	rival := b.write(ledger.KindCommand, "", "x", nil)
	log.broken = true
	_, err := l.Offer(rival)
	wantStorage(t, err)
	log.broken = false
	offer(t, l, ledger.Stored, rival)
}

// TestChanged: the channel is closed by what changes an answer, and by nothing else.
func TestChanged(t *testing.T) {
	f := newFleet(t, oneOperator())
	l := f.openBare("watcher", new(memlog.Log))
	a, admission := f.admitted("a", "s1")
	report := a.write(ledger.KindReport, "", "report", []byte("x"))
	changes := func(what string, want bool, do func()) {
		t.Helper()
		c := l.Changed()
		do()
		select {
		case <-c:
			if !want {
				t.Errorf("%s: changed", what)
			}
		default:
			if want {
				t.Errorf("%s: not changed", what)
			}
		}
	}
	changes("an entry that waits", false, func() { offer(t, l, ledger.Waiting, report) })
	changes("a charter", true, func() { must(t, l.Learn(f.chain)) })
	changes("the same charter", false, func() { must(t, l.Learn(f.chain)) })
	changes("an admission", true, func() { offer(t, l, ledger.Stored, admission) })
	changes("what is known", false, func() { offer(t, l, ledger.Known, admission, report) })
	changes("junk", false, func() { offer(t, l, ledger.Rejected, ledger.Record{Data: []byte("junk")}) })
	if got := l.Reports(); len(got) != 1 {
		t.Errorf("the report that waited: %v", got)
	}
}

// TestConcurrentUse has everything called at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b, other := f.admitted("b", "s1")
	l := f.open("b", new(memlog.Log))
	offer(t, l, ledger.Stored, other)
	records := []ledger.Record{admission}
	for range 30 {
		records = append(records, a.write(ledger.KindReport, "", "report", []byte("x")), a.write(ledger.KindCommand, "", "", nil))
	}
	var mu sync.Mutex
	told := map[string][]uint64{}
	l.OnStored(func(r ledger.Record) {
		mu.Lock()
		defer mu.Unlock()
		told[r.Feed] = append(told[r.Feed], r.Seq)
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, r := range records {
			if _, err := l.Offer(r); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for range 30 {
				if _, err := l.Publish(ledger.KindCommand, "", "", nil); err != nil {
					t.Error(err)
				}
				viewOf(t, l)
				_ = maps.Collect(l.Frontier([]string{""}))
				if _, err := l.Read(admission.Feed, 0, 1000); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, lane := range []ledger.Lane{ledger.Durable, ledger.Register, ledger.Urgent} {
		for _, x := range []*author{a, b} {
			if seqs := told[ledger.Feed{Author: x.id, Lane: lane}.Key()]; !slices.IsSorted(seqs) {
				t.Errorf("told out of order: %v", seqs)
			}
		}
	}
}

// TestReplacedInOneBatch: a register entry that is replaced in the batch in which it came is never
// told of, and the number that it had can be another's in the same batch.
func TestReplacedInOneBatch(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Register)
	log := new(memlog.Log)
	l := f.open("watcher", log)
	offer(t, l, ledger.Stored, admission)
	one, two, other := a.write(ledger.KindReport, "", "report", nil), a.write(ledger.KindReport, "", "report", nil), b.write(ledger.KindBeacon, "", "beacon", nil)
	var told []string
	l.OnStored(func(r ledger.Record) { told = append(told, string(r.Data)) })
	l.OfferAll([]ledger.Record{one, two, other})
	if want := []string{string(two.Data), string(other.Data)}; !slices.Equal(told, want) {
		t.Errorf("told of %d, want the last two", len(told))
	}
	equalOrFatal(t, viewOf(t, l), viewOf(t, f.openBare("watcher", log)))
}

// rottenLog has every entry changed that is read back, while it is rotten.
type rottenLog struct {
	memlog.Log
	rotten bool
}

func (l *rottenLog) Scan(f func(string, uint64, []byte) error) error {
	return l.Log.Scan(func(feed string, seq uint64, data []byte) error {
		if l.rotten {
			data = []byte("rot")
		}
		return f(feed, seq, data)
	})
}

func (l *rottenLog) Get(feed string, seq uint64) ([]byte, error) {
	if l.rotten {
		return []byte("rot"), nil
	}
	return l.Log.Get(feed, seq)
}

// TestLogRotten: what went bad on this node's disk is not held against whoever sent something meanwhile.
func TestLogRotten(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(rottenLog)
	l := f.open("watcher", log)
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	one, other := a.write(ledger.KindCommand, "", "", nil), b.write(ledger.KindCommand, "", "x", nil)
	offer(t, l, ledger.Stored, admission, one)
	blameless := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ledger.ErrStorage) || errors.Is(err, ledger.ErrMalformed) || errors.Is(err, ledger.ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	log.rotten = true
	_, err := l.Offer(ledger.Record{Feed: one.Feed, Seq: ledger.ProofSeq, Data: ledger.EncodeProof(one.Data, other.Data, true)})
	blameless("the proof of a fork, in a feed that went bad", err)
	_, err = l.Offer(a.write(ledger.KindCommand, "", "", nil))
	blameless("what comes after, while the log cannot be read again", err)
}

// flippedLog changes a bit of one entry's signature when it is read.
type flippedLog struct {
	memlog.Log
	feed string
	seq  uint64
}

func (l *flippedLog) Get(feed string, seq uint64) ([]byte, error) {
	data, err := l.Log.Get(feed, seq)
	if err == nil && feed == l.feed && seq == l.seq {
		data[len(data)-1] ^= 1
	}
	return data, err
}

// TestRotProvesNothing: an entry that went bad in the log does not get into the proof of a fork: whoever is told of that would take
// this node for a liar.
func TestRotProvesNothing(t *testing.T) {
	f := newFleet(t, oneOperator())
	log := new(flippedLog)
	l := f.open("watcher", log)
	a, admission := f.admitted("a", "s1")
	b := a.backup(ledger.Durable)
	one := a.write(ledger.KindCommand, "", "", nil)
	offer(t, l, ledger.Stored, admission, one)
	log.feed, log.seq = one.Feed, one.Seq
	var told []ledger.Record
	l.OnStored(func(r ledger.Record) { told = append(told, r) })
	rival := b.write(ledger.KindCommand, "", "x", nil)
	offer(t, l, ledger.Waiting, rival)
	if len(told) != 0 {
		t.Error("told of a proof that does not hold")
	}
	log.feed = ""
	offer(t, l, ledger.Stored, rival)
}
