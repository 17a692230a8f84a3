package locks

import (
	"fmt"
	"testing"
	"time"

	"selvage/internal/ident"
	"selvage/ledger/lease"
)

var n1, n2 = ident.NodeID{1}, ident.NodeID{2}

func claim(i int) Claim { return Claim{byte(i), byte(i >> 8), 1} }

func take(i int) Ask    { return Ask{Take, "a", claim(i)} }
func release(i int) Ask { return Ask{Release, "a", claim(i)} }

// TestFirstComeFirstServed: who waits gets the lock in the order in which they came, and who is not heard of loses his place.
func TestFirstComeFirstServed(t *testing.T) {
	table, term := NewTable(lease.Defaults()), Term{Fence: 300, Until: time.Hour}
	first := table.Ask(0, term, n1, take(1))
	if want := lease.Defaults().Elsewhere(time.Hour); first.State != Held || first.Token != 300<<10|1 || first.For != want {
		t.Fatalf("a free lock: %+v, want it for %v", first, want)
	}
	for i := 2; i <= 4; i++ {
		if got := table.Ask(0, term, n2, take(i)); got != (Answer{State: Waiting, Ahead: i - 1, Holder: n1}) {
			t.Errorf("client %d: %+v", i, got)
		}
	}
	if again := table.Ask(1, term, n1, take(1)); again.State != Held || again.Token != first.Token {
		t.Errorf("the holder asks again: %+v", again)
	}
	table.Ask(time.Second, term, n1, release(1))
	if got := table.Ask(time.Second, term, n2, take(3)); got != (Answer{State: Waiting, Ahead: 1}) {
		t.Errorf("the second in the line: %+v", got)
	}
	if got := table.Ask(forget+1, term, n2, take(3)); got.State != Held || got.Token <= first.Token {
		t.Errorf("the first in the line is gone, and the second gets %+v", got)
	}
	if got := table.Ask(forget+1, term, n2, Ask{Keep, "a", claim(1)}); got.State != Lost {
		t.Errorf("who has it no more: %+v", got)
	}
	if got := table.Ask(forget+1, term, n2, Ask{Take, "b", claim(4)}); got.State != Held {
		t.Errorf("another lock: %+v", got)
	}
}

// TestAClaimIsOfItsNode: nobody has what is another node's by knowing its claim.
func TestAClaimIsOfItsNode(t *testing.T) {
	table, term := NewTable(lease.Defaults()), Term{Fence: 1, Until: time.Hour}
	table.Ask(0, term, n1, take(1))
	table.Ask(0, term, n2, release(1))
	if got := table.Ask(0, term, n2, Ask{Keep, "a", claim(1)}); got.State != Lost {
		t.Errorf("another's lock: %+v", got)
	}
	if got := table.Ask(0, term, n1, Ask{Keep, "a", claim(1)}); got.State != Held {
		t.Errorf("the holder: %+v", got)
	}
}

// TestStopping: who is about to pass the lead on grants nothing, prolongs nothing, and knows when all has ended.
func TestStopping(t *testing.T) {
	table := NewTable(lease.Defaults())
	table.Ask(0, Term{Fence: 1, Until: 10}, n1, take(1))
	if got := table.Ask(1, Term{Fence: 1}, n1, Ask{Keep, "a", claim(1)}); got.State != Lost {
		t.Errorf("the holder: %+v", got)
	}
	if got := table.Ask(1, Term{Fence: 1}, n2, Ask{Take, "b", claim(2)}); got != (Answer{State: Waiting}) {
		t.Errorf("another: %+v", got)
	}
	if until, any := table.Latest(9); !any || until != 10 {
		t.Errorf("granted until %v, %v", until, any)
	}
	if _, any := table.Latest(10); any {
		t.Error("what is over is granted")
	}
}

// TestTokensRunOut: a lease has tokens for so many grants, then none, and a higher lease has some again.
func TestTokensRunOut(t *testing.T) {
	table, last := NewTable(lease.Defaults()), uint64(0)
	grant := func(fence uint64) Answer {
		a := table.Ask(0, Term{Fence: fence, Until: time.Hour}, n1, take(1))
		if a.State == Held {
			if a.Token <= last {
				t.Fatalf("token %d after %d", a.Token, last)
			}
			last = a.Token
			table.Ask(0, Term{Fence: fence, Until: time.Hour}, n1, release(1))
		}
		return a
	}
	for i := range maxGrants {
		if low := table.Low(); low != (i >= lowGrants) {
			t.Fatalf("after %d grants they are low: %v", i, low)
		}
		if a := grant(7); a.State != Held {
			t.Fatalf("grant %d: %+v", i, a)
		}
	}
	if a := grant(7); a != (Answer{State: Waiting}) {
		t.Errorf("there is no token, and yet %+v", a)
	}
	if a := grant(8); a.State != Held || table.Low() {
		t.Errorf("under a higher lease: %+v", a)
	}
	if a := grant(7); a.State == Held {
		t.Errorf("under a lower one: %+v", a)
	}
	if a := grant(maxFence); a.State == Held {
		t.Errorf("beyond what a number holds: %+v", a)
	}
}

// TestBounds: a table that is full says so, and has room again when something is over.
func TestBounds(t *testing.T) {
	table, term := NewTable(lease.Defaults()), Term{Fence: 1, Until: 2 * forget}
	for i := range maxWaiting + 1 {
		if a := table.Ask(0, term, n1, take(i)); a.State == Full {
			t.Fatalf("client %d finds no room", i)
		}
	}
	if a := table.Ask(0, term, n1, take(maxWaiting+1)); a != (Answer{State: Full, Holder: n1}) {
		t.Errorf("one too many waits: %+v", a)
	}
	other := func(now time.Duration, i int) State {
		return table.Ask(now, term, n1, Ask{Take, fmt.Sprint("other", i), claim(i)}).State
	}
	for i := range MaxLocks - 1 {
		if s := other(0, i); s == Full {
			t.Fatalf("lock %d finds no room", i)
		}
	}
	if s := other(0, MaxLocks); s != Full {
		t.Errorf("one lock too many: %d", s)
	}
	term = Term{Fence: 2, Until: 4 * forget} // of the first, all tokens are used
	if s := other(3*forget, MaxLocks); s != Held {
		t.Errorf("all else is over, and yet %d", s)
	}
	if n := len(table.locks); n != 1 {
		t.Errorf("%d locks are remembered", n)
	}
}

func TestList(t *testing.T) {
	table, term := NewTable(lease.Defaults()), Term{Fence: 1, Until: time.Minute}
	for i, name := range []string{"c", "a", "b"} {
		table.Ask(0, term, n1, Ask{Take, name, claim(i)})
	}
	table.Ask(0, term, n2, Ask{Take, "b", claim(9)})
	got := table.List(time.Second, "a", 1)
	if want := (Lock{"b", n1, 1<<10 | 3, time.Second, time.Minute - time.Second, 1}); len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := table.List(time.Second, "", 9); len(got) != 3 || got[2].Name != "c" {
		t.Errorf("%+v", got)
	}
	if got := table.List(time.Minute, "", 9); len(got) != 0 {
		t.Errorf("what is over: %+v", got)
	}
}
