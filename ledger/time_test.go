package ledger_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"selvage/ledger"
	"selvage/ledger/memlog"
	"selvage/ledger/trust"
)

// openAt opens the ledger of node a, with a clock.
func (f *fleet) openAt(log ledger.Log, c *clock) *ledger.Ledger {
	f.t.Helper()
	l, err := ledger.Open(ledger.Config{Log: log, Key: keyOf("node a"), Fleet: f.id, Now: c.now})
	must(f.t, err)
	must(f.t, l.Learn(f.chain))
	return l
}

// TestClockOfEntries: a node's entries have rising times, whatever its clock does and whatever it
// hears, over restarts too; and no time is absurdly far ahead because of another node's clock.
func TestClockOfEntries(t *testing.T) {
	f := newFleet(t, oneOperator())
	rapid.Check(t, func(rt *rapid.T) {
		_, own := f.admitted("a", "s1")
		b, admission := f.admitted("b", "s1")
		log, c := new(memlog.Log), &clock{epoch}
		l := f.openAt(log, c)
		offer(t, l, ledger.Stored, own, admission)
		var last ledger.Timestamp
		highest := c.at
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			minutes := time.Duration(rapid.IntRange(-100, 100).Draw(rt, "minutes")) * time.Minute
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				c.at = epoch.Add(minutes)
			case 1:
				offer(t, l, ledger.Stored, b.writeAt(c.at.Add(minutes), ledger.KindCommand, "", "", nil))
			case 2:
				l = f.openAt(log, c)
			case 3:
				e, err := l.Publish(ledger.KindReport, "", "report", nil)
				must(t, err)
				if e.Time <= last {
					rt.Fatalf("time %d after %d", e.Time, last)
				}
				if e.Time.Time().After(highest.Add(11 * time.Minute)) {
					rt.Fatalf("an entry of %v; the clock has never shown more than %v", e.Time.Time(), highest)
				}
				last = e.Time
			}
			if c.at.After(highest) {
				highest = c.at
			}
		}
	})
}

// TestOwnFuture: a node whose clock was wrong once goes on from its last entry.
func TestOwnFuture(t *testing.T) {
	f := newFleet(t, oneOperator())
	_, own := f.admitted("a", "s1")
	log, c := new(memlog.Log), &clock{epoch.Add(1000 * time.Hour)}
	l := f.openAt(log, c)
	offer(t, l, ledger.Stored, own)
	before, err := l.Publish(ledger.KindCommand, "", "", nil)
	must(t, err)
	c.at = epoch
	after, err := f.openAt(log, c).Publish(ledger.KindCommand, "", "", nil)
	must(t, err)
	if after.Time != before.Time+1 {
		t.Errorf("%d after %d", after.Time, before.Time)
	}
}

// TestLostFuture: so does one that has lost it, and gets it back from others.
func TestLostFuture(t *testing.T) {
	f := newFleet(t, oneOperator())
	_, own := f.admitted("a", "s1")
	log, c := new(memlog.Log), &clock{epoch.Add(1000 * time.Hour)}
	l := f.openAt(log, c)
	offer(t, l, ledger.Stored, own)
	backup := log.Clone()
	before, err := l.Publish(ledger.KindReport, "", "report", nil)
	must(t, err)
	lost, err := l.Read(before.Feed().Key(), 0, 1<<20)
	must(t, err)
	c.at = epoch
	l = f.openAt(backup, c)
	offer(t, l, ledger.Stored, lost...)
	after, err := l.Publish(ledger.KindReport, "", "report", nil)
	must(t, err)
	if after.Time != before.Time+1 {
		t.Errorf("%d after %d", after.Time, before.Time)
	}
}

// TestReceived: what a node has heard of another whose clock is ahead is not as good as new after a restart, and of none does a
// full disk change when it came.
func TestReceived(t *testing.T) {
	f := newFleet(t, oneOperator())
	for name, ahead := range map[string]time.Duration{"ahead": 48 * time.Hour, "behind": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			a, admission := f.admitted("b", "s1")
			log, c := new(memlog.Log), &clock{epoch.Add(time.Hour)}
			l := f.openAt(log, c)
			came := c.at
			offer(t, l, ledger.Stored, admission, a.writeAt(c.at.Add(ahead), ledger.KindReport, "", "report", nil))
			received := func(l *ledger.Ledger) time.Time { return l.Reports()[0].Received }
			c.at = c.at.Add(time.Minute)
			log.Fail = full
			offer(t, l, ledger.Rejected, a.write(ledger.KindCommand, "", "", nil))
			if got := received(l); !got.Equal(came) {
				t.Errorf("after the disk was full: it came at %v, want %v", got, came)
			}
			log.Fail = nil
			if got := received(f.openAt(log, c)); got.After(c.at) {
				t.Errorf("after a restart at %v: it came at %v", c.at, got)
			}
		})
	}
}

// TestFloor: where the clock lies, the time is the latest that operators have signed. It never
// goes back, and nobody else can raise it.
func TestFloor(t *testing.T) {
	f := newFleet(t, operators(1, "op"))
	a, admission := f.admitted("a", "s1")
	log, c := new(memlog.Log), &clock{time.Unix(0, 0)}
	l := f.openAt(log, c)
	want := func(what string, at time.Time) {
		t.Helper()
		for _, x := range []*ledger.Ledger{l, f.openAt(log, c)} {
			if got := x.Now(); !got.Equal(at) {
				t.Errorf("%s: it is %v, want %v", what, got, at)
			}
		}
	}
	say := func(after time.Duration, signer string) {
		t.Helper()
		d, _ := f.deploy(ledger.Deployment{Name: "app", Generation: 1, Declared: epoch.Add(after)}, signer)
		offer(t, l, ledger.Stored, a.write(ledger.KindDeployment, "", "", d))
	}
	want("at first", time.Unix(0, 0))
	offer(t, l, ledger.Stored, admission, a.writeAt(epoch.Add(1000*time.Hour), ledger.KindReport, "", "report", nil))
	want("an entry's own time", time.Unix(0, 0))
	say(2*time.Hour, "op")
	want("a deployment", epoch.Add(2*time.Hour))
	say(time.Hour, "op")
	want("an earlier one", epoch.Add(2*time.Hour))
	say(3*time.Hour, "stranger")
	want("nobody's word", epoch.Add(2*time.Hour))
	say(trust.CharterLifetime+time.Hour, "op")
	want("after the charter's expiry", epoch.Add(2*time.Hour))
	offer(t, l, ledger.Stored, a.write(ledger.KindRelease, "", "", f.release("app", "1", "x", 4*time.Hour, "op")))
	want("a release", epoch.Add(4*time.Hour))
	must(t, l.Learn(append(f.chain[:1:1], signCharter(t, operators(1, "new").charter(2), "op", "new"))))
	want("when its signer does not count any more", epoch.Add(4*time.Hour))
	c.at = epoch.Add(5 * time.Hour)
	want("when the clock is later", c.at)
}
