package ledger

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound: the log does not hold what was asked for.
	ErrNotFound = errors.New("not found in the ledger's log")
	// ErrStorage: the log failed, by a full disk for one. Nothing was taken; nobody else is to blame.
	ErrStorage = errors.New("the ledger's log failed")
)

// Log is where a ledger keeps its entries. ledger/boltlog keeps them on disk, ledger/memlog in
// memory; ledger/ledgertest checks both. A Log is safe for concurrent use.
type Log interface {
	// Commit stores a batch: all of it or nothing. It is durable when Commit returns nil.
	Commit(Batch) error
	// Get returns an entry's bytes; ErrNotFound is in the error's chain if there is none.
	Get(feed string, seq uint64) ([]byte, error)
	// Scan calls f for every entry, by feed and then by seq. The bytes are f's only during the call.
	Scan(f func(feed string, seq uint64, data []byte) error) error
	// Meta returns what was last stored under a key; nil if nothing was.
	Meta(key string) ([]byte, error)
	Close() error
}

// Batch is what is stored at once.
type Batch struct {
	Put    []Item            // entries; one that is there already is replaced
	Delete []Item            // entries to forget, by feed and seq, none that are put; Data is not looked at
	Meta   map[string][]byte // small values; at most 1 MiB each
}

// Item is one entry of a log. Feed is a Feed's Key, at most 128 bytes.
type Item struct {
	Feed string
	Seq  uint64
	Data []byte
}

func (b *Batch) setMeta(key string, value []byte) {
	if b.Meta == nil {
		b.Meta = map[string][]byte{}
	}
	b.Meta[key] = value
}

func (b *Batch) empty() bool { return len(b.Put)+len(b.Delete)+len(b.Meta) == 0 }

// failed makes ErrStorage of what is wrong with the log. That entries in it went bad stays as text only: as an error it would
// be held against whoever sent something meanwhile.
func failed(err error) error {
	if errors.Is(err, ErrMalformed) || errors.Is(err, ErrSignature) {
		return fmt.Errorf("%w: %v", ErrStorage, err)
	}
	return fmt.Errorf("%w: %w", ErrStorage, err)
}

// rotten tells, once, of an entry that is not as it was stored.
func (l *Ledger) rotten(feed string, seq uint64) {
	l.rot.Do(func() {
		l.cfg.Logger.Error("ledger: an entry went bad in the log", "feed", fmt.Sprintf("%x", feed), "seq", seq)
	})
}
