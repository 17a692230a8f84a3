// Package boltlog keeps a ledger's entries in one bbolt file.
//
// Bucket "entries" holds them under feed, a zero byte, and the number in 8 bytes, big endian, so
// that they lie by feed and number. (A feed ends in a scope, which has no zero byte, after a head
// of fixed length.) Bucket "meta" holds the small values. Each Commit is one transaction, which
// bbolt syncs before it returns.
package boltlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"selvage/ledger"
)

var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("ledger is in use by another process")
	// ErrCorrupt: the file is no ledger, or damaged.
	ErrCorrupt = errors.New("ledger file is damaged")
)

// lockWait is how long Open waits for another process to let go of the file: long enough for a
// restart, short enough for a person.
const lockWait = 500 * time.Millisecond

var (
	entriesBucket = []byte("entries")
	metaBucket    = []byte("meta")
)

// Log is a ledger.Log on disk.
type Log struct{ db *bbolt.DB }

var _ ledger.Log = (*Log)(nil)

// Open opens the file at path on the host, made if need be with mode 0600.
func Open(path string) (*Log, error) {
	db, err := openBolt(path)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: %w", path, ErrInUse)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, errDamaged):
		return nil, fmt.Errorf("open %s: %w: %w", path, ErrCorrupt, err)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Log{db}, nil
}

// errDamaged is what bbolt's own panics on damaged files become.
var errDamaged = errors.New("cannot be read")

func openBolt(path string) (db *bbolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		var pathErr *fs.PathError
		if !errors.As(err, &pathErr) && !errors.Is(err, berrors.ErrTimeout) {
			err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range [][]byte{entriesBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		_ = db.Close() // the first error says what is wrong
		return nil, err
	}
	return db, nil
}

func entryKey(feed string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(feed), 0), seq)
}

// Commit implements ledger.Log.
func (l *Log) Commit(b ledger.Batch) error {
	return l.db.Update(func(tx *bbolt.Tx) error {
		entries, meta := tx.Bucket(entriesBucket), tx.Bucket(metaBucket)
		for _, i := range b.Put {
			if err := entries.Put(entryKey(i.Feed, i.Seq), i.Data); err != nil {
				return err
			}
		}
		for _, i := range b.Delete {
			if err := entries.Delete(entryKey(i.Feed, i.Seq)); err != nil {
				return err
			}
		}
		for k, v := range b.Meta {
			if err := meta.Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// view reads. bbolt panics where a page is not what it should be, or points out of the file: that is ErrCorrupt.
func (l *Log) view(read func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w: %v", ErrCorrupt, errDamaged, p)
		}
	}()
	return l.db.View(read)
}

// Get implements ledger.Log.
func (l *Log) Get(feed string, seq uint64) ([]byte, error) {
	var data []byte
	err := l.view(func(tx *bbolt.Tx) error {
		data = bytes.Clone(tx.Bucket(entriesBucket).Get(entryKey(feed, seq)))
		return nil
	})
	if err == nil && data == nil {
		err = fmt.Errorf("entry %d of %x: %w", seq, feed, ledger.ErrNotFound)
	}
	return data, err
}

// Scan implements ledger.Log.
func (l *Log) Scan(f func(feed string, seq uint64, data []byte) error) error {
	return l.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(entriesBucket).ForEach(func(k, v []byte) error {
			n := len(k) - 9
			if n < 0 {
				return fmt.Errorf("%w: a key of %d bytes", ErrCorrupt, len(k))
			}
			return f(string(k[:n]), binary.BigEndian.Uint64(k[n+1:]), v)
		})
	})
}

// Meta implements ledger.Log.
func (l *Log) Meta(key string) ([]byte, error) {
	var v []byte
	err := l.view(func(tx *bbolt.Tx) error {
		v = bytes.Clone(tx.Bucket(metaBucket).Get([]byte(key)))
		return nil
	})
	return v, err
}

// Close implements ledger.Log.
func (l *Log) Close() error { return l.db.Close() }
