package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"selvage/ledger"
	"selvage/ledger/memlog"
)

// peer is a machine at a site, of which a peer elsewhere sees the fleet's scope only.
type peer struct {
	*machine
	site string
	page int // bytes that it reads at once
}

func (p *peer) scopes(other *peer) []string {
	if p.site == other.site {
		return []string{"", p.site}
	}
	return []string{""}
}

// meet has two peers show each other their charters, as in a hello, and exchange what either lacks, by the rules that package gossip states for a
// log, and reports whether anything was news.
func meet(t testing.TB, a, b *peer) bool {
	t.Helper()
	scopes := a.scopes(b)
	must(t, a.Learn(b.Chain().Envelopes()))
	must(t, b.Learn(a.Chain().Envelopes()))
	if a.Root(scopes) == b.Root(scopes) {
		return false
	}
	mine, theirs := maps.Collect(a.Frontier(scopes)), maps.Collect(b.Frontier(scopes))
	feeds := maps.Clone(mine)
	maps.Copy(feeds, theirs)
	news := false
	for _, feed := range slices.Sorted(maps.Keys(feeds)) {
		m, n := mine[feed], theirs[feed]
		from := [2]uint64{n.Seq, m.Seq}
		if m.Seq == n.Seq && m.Digest != n.Digest {
			from = [2]uint64{}
		}
		if m.Seq >= n.Seq && m != n {
			news = give(t, a, b, feed, from[0]) || news
		}
		if n.Seq >= m.Seq && m != n {
			news = give(t, b, a, feed, from[1]) || news
		}
	}
	return news
}

// give sends what one peer holds of a feed after a number.
func give(t testing.TB, from, to *peer, feed string, after uint64) (news bool) {
	t.Helper()
	for {
		records, err := from.Read(feed, after, from.page)
		must(t, err)
		if len(records) == 0 {
			return news
		}
		for i, r := range records {
			if r.Seq <= after {
				t.Fatalf("read %d after %d", r.Seq, after)
			}
			after = r.Seq
			outcome, err := to.Offer(r)
			if outcome == ledger.Rejected {
				t.Fatalf("record %d of a page is rejected: %v", i, err)
			}
			news = news || outcome == ledger.Stored
		}
	}
}

// quiet has peers meet until nothing is news to any of them.
func quiet(t testing.TB, peers ...*peer) {
	t.Helper()
	for range 50 {
		news := false
		for _, a := range peers {
			for _, b := range peers {
				if a != b {
					news = meet(t, a, b) || news
				}
			}
		}
		if !news {
			return
		}
	}
	t.Fatal("there is news for ever")
}

func (f *fleet) peer(site string) *peer { return &peer{f.machine(), site, 1 << 20} }

// TestAntiEntropy: peers that meet until nothing is news hold the same, whatever each of them had
// heard, also of feeds that were forked; and what is of a site stays there.
func TestAntiEntropy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := draw(t, rt, []ledger.Lane{ledger.Durable, ledger.Register, ledger.Urgent}, "s1", "s2")
		peers := []*peer{p.peer("s1"), p.peer("s1"), p.peer("s2")}
		for _, q := range peers {
			q.page = rapid.SampledFrom([]int{1, 700, 1 << 20}).Draw(rt, "page")
			var heard []ledger.Record
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(p.records)-1), 0, 2*len(p.records)).Draw(rt, "heard") {
				if scope := scopeOf(rt, p.records[i]); scope == "" || scope == q.site {
					heard = append(heard, p.records[i])
				}
			}
			q.feed(rt, heard, true)
		}
		quiet(t, peers...)
		a, b, c := peers[0], peers[1], peers[2]
		equalViews(t, rt, viewOf(t, a.Ledger, "s1"), viewOf(t, b.Ledger, "s1"), "two of a site")
		if a.Root([]string{""}) != c.Root([]string{""}) {
			rt.Fatal("two sites do not hold the same of the fleet")
		}
		for _, q := range peers {
			wantOnly(rt, q)
			want := viewOf(t, q.Ledger, q.site)
			q.restart()
			equalViews(t, rt, want, viewOf(t, q.Ledger, q.site), "after a restart")
		}
	})
}

func scopeOf(rt *rapid.T, r ledger.Record) string {
	feed, err := ledger.ParseFeed(r.Feed)
	if err != nil {
		rt.Fatal(err)
	}
	return feed.Scope
}

// wantOnly fails if a peer holds what is of another site.
func wantOnly(rt *rapid.T, q *peer) {
	entries, err := q.Entries()
	if err != nil {
		rt.Fatal(err)
	}
	for _, e := range entries {
		if e.Scope != "" && e.Scope != q.site {
			rt.Fatalf("%s holds an entry of %s", q.site, e.Scope)
		}
	}
}

// TestForkSeenFromBothSides: neighbours that saw different branches, of different lengths and
// parting at different numbers, all find the fork out, and hold the same words in the end.
func TestForkSeenFromBothSides(t *testing.T) {
	for common := 0; common <= 2; common++ {
		for left := 0; left <= 3; left++ {
			for right := 1; right <= 3; right++ {
				t.Run(fmt.Sprintf("%d then %d or %d", common, left, right), func(t *testing.T) { testFork(t, common, left, right) })
			}
		}
	}
}

func testFork(t *testing.T, common, left, right int) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	x, y := f.peer("s1"), f.peer("s2")
	offer(t, x.Ledger, ledger.Stored, admission)
	offer(t, y.Ledger, ledger.Stored, admission)
	write := func(a *author, name string, n int, to ...*peer) {
		for i := range n {
			r := a.write(ledger.KindRelease, "", "", f.release(name, fmt.Sprint(i), "blob", 0, "op"))
			for _, p := range to {
				offer(t, p.Ledger, ledger.Stored, r)
			}
		}
	}
	write(a, "common", common, x, y)
	b := a.backup(ledger.Durable)
	write(a, "left", left, x)
	write(b, "right", right, y)
	quiet(t, x, y)
	equalOrFatal(t, viewOf(t, x.Ledger), viewOf(t, y.Ledger))
	if got := len(x.Releases()); got != common+left+right {
		t.Errorf("%d releases, want those of all branches", got)
	}
	forked := left > 0
	if n, _ := x.Node(a.id); (n.Quarantined != "") != forked || (len(x.Forks()) > 0) != forked {
		t.Errorf("quarantined: %q, forks: %v", n.Quarantined, x.Forks())
	}
}

// TestBackupHeals: a node that was restored from a backup and hears of its lost entries before it
// writes goes on as if nothing had happened; while it knows that some are missing it does not write.
func TestBackupHeals(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	one, two, three := a.write(ledger.KindCommand, "", "", nil), a.write(ledger.KindCommand, "", "", nil), a.write(ledger.KindReport, "", "report", []byte("x"))
	l := f.open("a", new(memlog.Log))
	offer(t, l, ledger.Stored, admission)
	offer(t, l, ledger.Waiting, two)
	if _, err := l.Publish(ledger.KindCommand, "", "", nil); err != ledger.ErrBehind {
		t.Errorf("while it is behind: %v", err)
	}
	offer(t, l, ledger.Stored, one, three)
	for _, kind := range []ledger.Kind{ledger.KindCommand, ledger.KindReport} {
		e, err := l.Publish(kind, "", "report", nil)
		must(t, err)
		if want := map[ledger.Kind]uint64{ledger.KindCommand: 4, ledger.KindReport: 2}[kind]; e.Seq != want {
			t.Errorf("%v is number %d, want %d", kind, e.Seq, want)
		}
	}
	if l.Forks() != nil {
		t.Error(l.Forks())
	}
}

// TestForkedSelf: a node whose own feed is forked is told so.
func TestForkedSelf(t *testing.T) {
	f := newFleet(t, oneOperator())
	a, admission := f.admitted("a", "s1")
	l := f.open("a", new(memlog.Log))
	offer(t, l, ledger.Stored, admission)
	_, err := l.Publish(ledger.KindCommand, "", "", nil)
	must(t, err)
	offer(t, l, ledger.Stored, a.write(ledger.KindCommand, "", "", nil))
	if _, err := l.Publish(ledger.KindCommand, "", "", nil); err != ledger.ErrForked {
		t.Errorf("got %v", err)
	}
}
