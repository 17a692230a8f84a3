package ledger

import (
	"crypto/sha256"
	"sync"
)

// maxShelved bounds the entries of a shelf; at the bound all are put away, and read anew when they come again.
const maxShelved = 1 << 14

// Shelf keeps entries that were read and found to be signed, for all ledgers of one process, as in a simulation: each of
// them is offered every entry of the fleet. All of them must check signatures alike. The zero Shelf is empty and ready.
type Shelf struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]shelved
}

// shelved is an entry with its bytes. Neither is ever changed.
type shelved struct {
	entry *Entry
	data  []byte
}

// find returns an entry by the hash of its bytes.
func (s *Shelf) find(hash [sha256.Size]byte) (shelved, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[hash]
	return e, ok
}

// put keeps an entry, and returns the one that all are to use.
func (s *Shelf) put(hash [sha256.Size]byte, e shelved) shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.entries[hash]; ok {
		return old
	}
	if s.entries == nil || len(s.entries) >= maxShelved {
		s.entries = map[[sha256.Size]byte]shelved{}
	}
	s.entries[hash] = e
	return e
}

// decode reads an entry and checks its signature, or finds it on the shelf.
func (l *Ledger) decode(data []byte, hash [sha256.Size]byte) (shelved, error) {
	s := l.cfg.Shelf
	if s == nil {
		e, err := l.codec.decode(data)
		return shelved{e, data}, err
	}
	if x, ok := s.find(hash); ok {
		return x, nil
	}
	e, err := l.codec.decode(data)
	if err != nil {
		return shelved{}, err
	}
	return s.put(hash, shelved{e, data}), nil
}
