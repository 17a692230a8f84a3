package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"selvage/ledger"
	"selvage/ledger/boltlog"
)

// TestReopen: what a ledger knew it knows after a restart, from the file. It plays twenty
// histories, as each costs several writes to the disk.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	histories := rapid.Custom(func(rt *rapid.T) *program {
		p := draw(t, rt, []ledger.Lane{ledger.Durable, ledger.Register, ledger.Urgent}, "s1")
		p.records = shuffled(rt, p.records)
		return p
	})
	for seed := range 20 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := histories.Example(seed)
			path := filepath.Join(dir, fmt.Sprint(seed))
			log, err := boltlog.Open(path)
			must(t, err)
			l := p.open("watcher", log)
			half := len(p.records) / 2
			l.OfferAll(p.records[:half])
			l.OfferAll(p.records[half:])
			want := viewOf(t, l, "s1")
			entries, err := l.Entries()
			must(t, err)
			must(t, log.Close())

			log, err = boltlog.Open(path)
			must(t, err)
			defer log.Close()
			l = p.openBare("watcher", log)
			equalOrFatal(t, want, viewOf(t, l, "s1"))
			again, err := l.Entries()
			must(t, err)
			if len(again) != len(entries) || len(entries) == 0 {
				t.Errorf("%d entries, want %d", len(again), len(entries))
			}
		})
	}
}
