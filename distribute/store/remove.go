package store

import (
	"fmt"
	"slices"
	"time"
)

// Remove gives a blob up, whole or in part. Who has it open reads on. What is being put into it is not taken any more, with ErrMissing in the
// error's chain: who fetches it begins anew, by Begin. A crash leaves it as it was, or
// not here: the list of blobs is written before its file goes; but where the disk has no room for the list, the file makes it. Open passes over
// what the list has and is not in its place.
func (s *Store) Remove(d Digest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[d]
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.complete {
		o.closeFile()
		s.drop(o)
		return nil
	}
	o.complete = false // so that the list is without it
	err := s.writeIndex()
	if unlessFull(err) != nil {
		o.complete = true
		return fmt.Errorf("remove blob %s: %w", d, err)
	}
	o.closeFile()
	o.learn(o.chunks, nil)
	s.reindex()
	s.drop(o)
	_ = s.fs.Remove(s.blobName(d)) // a leftover is listed again at the next start
	if err != nil {
		_ = s.writeIndex() // else the next start does
	}
	return nil
}

// Held returns how many bytes of the disk are free once the blob is removed, at most: also those of which it is not known what they are
// while the chunk list is not.
func (o *Object) Held() int64 {
	o.mu.Lock()
	held, files := o.haveBytes, []string{".raw"}
	if o.chunks == nil {
		files = append(files, "")
	}
	if o.complete {
		files = nil
	}
	o.mu.Unlock()
	for _, e := range files {
		if info, err := o.store.fs.Stat(o.store.partName(o.Digest, e)); err == nil {
			held += info.Size()
		}
	}
	return held
}

// use notes that somebody wants the blob now.
func (o *Object) use() { o.used.Store(time.Now().UnixNano()) }

// Used returns when the blob was wanted last: asked for, read or completed. What was before a restart is forgotten, but for the
// completion.
func (o *Object) Used() time.Time {
	used := time.Unix(0, o.used.Load())
	if at := o.Info().CompletedAt; at.After(used) {
		return at
	}
	return used
}

// sharing is what Shared found, for as long as the complete blobs are these.
type sharing struct {
	of    []Want // by digest
	bytes map[Digest]int64
}

// Shared returns how many of each complete blob's bytes are in chunks that another complete blob has too. All their chunks are
// looked at only where another blob is complete than at the last call. The result is not to be changed.
func (s *Store) Shared() map[Digest]int64 {
	s.mu.Lock()
	all, known := s.listed(), s.shared
	s.mu.Unlock()
	wants := make([]Want, len(all))
	for i, o := range all {
		wants[i] = o.Want
	}
	if slices.Equal(wants, known.of) {
		return known.bytes
	}
	known = sharing{wants, sharedBytes(all)}
	s.mu.Lock()
	s.shared = known
	s.mu.Unlock()
	return known.bytes
}

func sharedBytes(blobs []*Object) map[Digest]int64 {
	owner, shared := map[[32]byte]*Object{}, map[[32]byte]bool{}
	for _, o := range blobs {
		for _, c := range o.Chunks() {
			if first, ok := owner[c.Hash]; ok && first != o {
				shared[c.Hash] = true
			} else {
				owner[c.Hash] = o
			}
		}
	}
	out := map[Digest]int64{}
	for _, o := range blobs {
		for _, c := range o.Chunks() {
			if shared[c.Hash] {
				out[o.Digest] += int64(c.Size)
			}
		}
	}
	return out
}

// Disk returns how many bytes are free where the store is, and of how many.
func (s *Store) Disk() (free, total uint64, err error) { return s.fs.Free() }
