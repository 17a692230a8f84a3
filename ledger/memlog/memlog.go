// Package memlog keeps a ledger's entries in memory. It is the twin of ledger/boltlog, for tests
// and simulations.
package memlog

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unique"

	"selvage/ledger"
)

// Log is a ledger.Log in memory. The zero Log is empty and ready.
type Log struct {
	// Fail, if set, is asked before each Commit; an error is returned in its place.
	Fail func(ledger.Batch) error

	mu      sync.Mutex
	entries map[id]data
	meta    map[string][]byte
}

type id struct {
	feed string
	seq  uint64
}

// data is an entry's bytes. Logs of one process share what they have in common, as in a simulation they have nearly all.
type data = unique.Handle[string]

var _ ledger.Log = (*Log)(nil)

// Commit implements ledger.Log.
func (l *Log) Commit(b ledger.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Fail != nil {
		if err := l.Fail(b); err != nil {
			return err
		}
	}
	if l.entries == nil {
		l.entries, l.meta = map[id]data{}, map[string][]byte{}
	}
	for _, i := range b.Put {
		l.entries[id{i.Feed, i.Seq}] = unique.Make(string(i.Data))
	}
	for _, i := range b.Delete {
		delete(l.entries, id{i.Feed, i.Seq})
	}
	for k, v := range b.Meta {
		l.meta[k] = bytes.Clone(v)
	}
	return nil
}

// Get implements ledger.Log.
func (l *Log) Get(feed string, seq uint64) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, ok := l.entries[id{feed, seq}]
	if !ok {
		return nil, fmt.Errorf("entry %d of %x: %w", seq, feed, ledger.ErrNotFound)
	}
	return []byte(data.Value()), nil
}

// Scan implements ledger.Log.
func (l *Log) Scan(f func(feed string, seq uint64, data []byte) error) error {
	l.mu.Lock()
	ids := slices.Collect(maps.Keys(l.entries))
	entries := maps.Clone(l.entries)
	l.mu.Unlock()
	slices.SortFunc(ids, func(a, b id) int {
		if c := strings.Compare(a.feed, b.feed); c != 0 {
			return c
		}
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
	for _, i := range ids {
		if err := f(i.feed, i.seq, []byte(entries[i].Value())); err != nil {
			return err
		}
	}
	return nil
}

// Meta implements ledger.Log.
func (l *Log) Meta(key string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.meta[key]), nil
}

// Clone returns a log that holds what this one holds now, as a backup does.
func (l *Log) Clone() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Log{entries: maps.Clone(l.entries), meta: maps.Clone(l.meta)} // values are never changed
}

// Close implements ledger.Log. What the log holds stays, so that a restart can be played.
func (l *Log) Close() error { return nil }
