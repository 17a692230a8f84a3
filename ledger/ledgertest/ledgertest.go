// Package ledgertest holds the tests that every ledger.Log passes.
package ledgertest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"selvage/ledger"
)

// Run checks a kind of log. Open returns an empty log, and a function that closes it and opens
// what it had stored again, as a restart does.
func Run(t *testing.T, open func(t *testing.T) (log ledger.Log, reopen func() ledger.Log)) {
	t.Run("an empty log", func(t *testing.T) { testEmpty(t, open) })
	t.Run("keeps what was committed", func(t *testing.T) { testModel(t, open) })
	t.Run("lets go of bytes that are the caller's", func(t *testing.T) { testAliases(t, open) })
	t.Run("feeds that begin alike", func(t *testing.T) { testPrefixes(t, open) })
}

func testEmpty(t *testing.T, open func(*testing.T) (ledger.Log, func() ledger.Log)) {
	log, _ := open(t)
	if _, err := log.Get("f", 1); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("Get of nothing: %v", err)
	}
	if v, err := log.Meta("k"); v != nil || err != nil {
		t.Errorf("Meta of nothing: %q, %v", v, err)
	}
	if got := dump(t, log); got != "" {
		t.Errorf("holds %q", got)
	}
}

// testModel commits random batches, restarts now and then, and compares with a map.
func testModel(t *testing.T, open func(*testing.T) (ledger.Log, func() ledger.Log)) {
	rapid.Check(t, func(rt *rapid.T) {
		log, reopen := open(t)
		model := map[string]string{}
		item := rapid.Custom(func(rt *rapid.T) ledger.Item {
			return ledger.Item{Feed: rapid.StringMatching(`[ab]{1,3}`).Draw(rt, "feed"), Seq: rapid.Uint64Range(1, 300).Draw(rt, "seq"),
				Data: []byte(rapid.StringN(1, 20, 20).Draw(rt, "data"))}
		})
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			b := ledger.Batch{Put: rapid.SliceOfN(item, 0, 5).Draw(rt, "put"), Delete: rapid.SliceOfN(item, 0, 3).Draw(rt, "delete")}
			if err := log.Commit(b); err != nil {
				rt.Fatal(err)
			}
			for _, i := range b.Put {
				model[name(i.Feed, i.Seq)] = string(i.Data)
			}
			for _, i := range b.Delete {
				delete(model, name(i.Feed, i.Seq))
			}
			if rapid.Bool().Draw(rt, "restart") {
				log = reopen()
			}
			compare(rt, log, model)
		}
	})
}

func compare(rt *rapid.T, log ledger.Log, model map[string]string) {
	got := map[string]string{}
	last := ""
	err := log.Scan(func(feed string, seq uint64, data []byte) error {
		if at := name(feed, seq); at > last {
			last = at
		} else {
			return fmt.Errorf("%s came after %s", at, last)
		}
		got[name(feed, seq)] = string(data)
		one, err := ledger.Log(log).Get(feed, seq)
		if err == nil && string(one) != string(data) {
			err = fmt.Errorf("get and scan differ at %s", name(feed, seq))
		}
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
	if diff := cmp.Diff(model, got); diff != "" {
		rt.Fatal(diff)
	}
}

func name(feed string, seq uint64) string { return fmt.Sprintf("%s\x00%08d", feed, seq) }

func testAliases(t *testing.T, open func(*testing.T) (ledger.Log, func() ledger.Log)) {
	log, _ := open(t)
	data, meta := []byte("data"), []byte("meta")
	if err := log.Commit(ledger.Batch{Put: []ledger.Item{{Feed: "f", Seq: 1, Data: data}}, Meta: map[string][]byte{"k": meta}}); err != nil {
		t.Fatal(err)
	}
	data[0], meta[0] = 'x', 'x'
	got, err := log.Get("f", 1)
	if err != nil || string(got) != "data" {
		t.Fatalf("got %q, %v", got, err)
	}
	got[0] = 'y'
	again, err := log.Get("f", 1)
	if err != nil || string(again) != "data" {
		t.Errorf("got %q, %v", again, err)
	}
	if v, err := log.Meta("k"); err != nil || string(v) != "meta" {
		t.Errorf("meta %q, %v", v, err)
	}
}

func testPrefixes(t *testing.T, open func(*testing.T) (ledger.Log, func() ledger.Log)) {
	log, _ := open(t)
	var items []ledger.Item
	for _, feed := range []string{"f", "fa", "fab"} {
		for _, seq := range []uint64{1, 255, 256, 1 << 40} {
			items = append(items, ledger.Item{Feed: feed, Seq: seq, Data: []byte(feed)})
		}
	}
	if err := log.Commit(ledger.Batch{Put: items}); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, i := range items {
		want += fmt.Sprintf("%s/%d ", i.Feed, i.Seq)
	}
	if got := dump(t, log); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func dump(t *testing.T, log ledger.Log) string {
	t.Helper()
	var b strings.Builder
	if err := log.Scan(func(feed string, seq uint64, _ []byte) error {
		fmt.Fprintf(&b, "%s/%d ", feed, seq)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
