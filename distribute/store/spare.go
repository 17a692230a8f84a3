package store

import (
	"errors"
	"fmt"
	"os"

	"selvage/internal/disk"
)

// Missing returns how many bytes a fetch of the blob by chunks would have to get: what neither it nor
// any complete blob of this store has; false while the chunk list is not known.
func (o *Object) Missing() (int64, bool) {
	chunks, have := o.Chunks(), o.Have()
	if o.Complete() {
		return 0, true
	}
	if chunks == nil || have == nil {
		return 0, false
	}
	var missing int64
	for i, c := range chunks {
		if _, ok := o.store.find(c.Hash); !ok && !have.Has(i) && !o.Twin(i) {
			missing += int64(c.Size)
		}
	}
	return missing, true
}

// Lacks returns which chunks another blob has that this one does not, ascending.
func (o *Object) Lacks(other *Object) []int {
	known := map[[32]byte]bool{}
	for _, c := range o.Chunks() {
		known[c.Hash] = true
	}
	var lacks []int
	for i, c := range other.Chunks() {
		if !known[c.Hash] {
			lacks = append(lacks, i)
			known[c.Hash] = true // a twin comes with its first
		}
	}
	return lacks
}

// Temp is a file that no blob needs. It is gone once it is closed, and at the next Open at the latest.
type Temp struct {
	disk.File
	fs   disk.FS
	name string
}

// Temp makes one.
func (s *Store) Temp() (*Temp, error) {
	name := s.tempName()
	f, err := s.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file: %w", err)
	}
	return &Temp{f, s.fs, name}, nil
}

// Close removes the file.
func (t *Temp) Close() error { return errors.Join(t.File.Close(), t.fs.Remove(t.name)) }
