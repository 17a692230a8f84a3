package store

import (
	"context"
	"crypto/sha256"
	"errors"

	"selvage/internal/disk"
)

const (
	// fillBytes is how much is copied from an older blob at a time, at least a chunk.
	fillBytes = 1 << 20
	// shareLeast is what an older blob's bytes have to be at least for their place on the disk to be shared: each piece that is costs
	// the file system an extent.
	shareLeast = 64 << 10
)

// run is adjacent chunks that lie adjacent in an older blob too.
type run struct {
	first, count int
	from         place // of the first
}

// FillLocal takes the chunks that complete blobs of this store have, until ctx ends, and returns how many bytes that spared. Where
// the file system can, and they lie as far from a block's beginning in both blobs, their place on the disk is shared; else they are copied. All
// are checked against their names, and a chunk that went bad on disk is left to be fetched.
func (o *Object) FillLocal(ctx context.Context) (int64, error) {
	var filled int64
	buf := make([]byte, fillBytes)
	defer func() {
		o.mu.Lock()
		o.local += filled
		o.mu.Unlock()
	}()
	for i := 0; i < len(o.Chunks()); {
		if ctx.Err() != nil {
			return filled, ctx.Err()
		}
		r := o.elsewhere(i)
		n, err := o.fill(ctx, r, buf)
		filled += n
		if err != nil {
			return filled, err
		}
		i += max(1, r.count)
	}
	return filled, nil
}

func (s *Store) find(hash [sha256.Size]byte) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.index[hash]
	return p, ok
}

// elsewhere returns the run of missing chunks, from the i-th on, that a complete blob has as one piece; none of them if none has the i-th.
func (o *Object) elsewhere(i int) run {
	chunks := o.Chunks()
	p, ok := o.store.find(chunks[i].Hash)
	if !ok {
		return run{}
	}
	theirs := p.object.Chunks()[p.chunk:]
	o.mu.Lock()
	defer o.mu.Unlock()
	r := run{first: i, from: p}
	for !o.complete && r.count < min(len(theirs), len(chunks)-i) && theirs[r.count].Hash == chunks[i+r.count].Hash && !o.have.Has(i+r.count) {
		r.count++
	}
	return r
}

// fill takes a run, and returns how many bytes that spared.
func (o *Object) fill(ctx context.Context, r run, buf []byte) (filled int64, err error) {
	shared := r.count > 0 && o.share(r)
	for r.count > 0 && ctx.Err() == nil {
		part := r
		part.count = o.fits(r, len(buf))
		n := int64(0)
		if shared {
			n, err = o.checkShared(part, buf)
		}
		if !shared || errors.Is(err, ErrCorrupt) {
			n, err = o.copyRun(part, buf)
		}
		if filled += n; err != nil {
			return filled, err
		}
		r.first, r.count, r.from.chunk = r.first+part.count, r.count-part.count, r.from.chunk+int32(part.count)
	}
	return filled, nil
}

// fits returns how many of a run's chunks, from the first on, a buffer has room for.
func (o *Object) fits(r run, size int) int {
	n := 0
	for _, c := range o.Chunks()[r.first:][:r.count] {
		if size -= int(c.Size); size < 0 {
			break
		}
		n++
	}
	return n
}

// copyRun copies a run that has room in buf. If a chunk of it went bad, the others are copied one by one.
func (o *Object) copyRun(r run, buf []byte) (filled int64, err error) {
	n, err := r.from.object.ReadChunks(int(r.from.chunk), r.count, buf)
	if err == nil {
		return o.putLocal(r.first, buf[:n])
	}
	if r.count == 1 {
		return 0, nil // it will be fetched
	}
	for k := range r.count {
		n, err := o.copyRun(run{r.first + k, 1, place{r.from.object, r.from.chunk + int32(k)}}, buf)
		if filled += n; err != nil {
			return filled, err
		}
	}
	return filled, nil
}

// putLocal is Put, of bytes that are at hand. What is not right of them is left to be fetched.
func (o *Object) putLocal(i int, data []byte) (int64, error) {
	fresh, err := o.Put(i, data)
	if errors.Is(err, ErrCorrupt) {
		err = nil
	}
	return o.bytesOf(fresh), err
}

func (o *Object) bytesOf(chunks []int) (bytes int64) {
	all := o.Chunks()
	for _, i := range chunks {
		bytes += int64(all[i].Size)
	}
	return bytes
}

// share has the blocks of the disk that a run lies in shared, and writes the bytes beside them; it reports whether all of the run
// stands in the file then, to be checked. Nothing else of the file is touched.
func (o *Object) share(r run) bool {
	chunks, theirs := o.Chunks(), r.from.object.Chunks()
	begin, last := chunks[r.first].Offset, chunks[r.first+r.count-1]
	end, shift := last.Offset+int64(last.Size), theirs[r.from.chunk].Offset-begin
	from, to := (begin+disk.Block-1)/disk.Block*disk.Block, end/disk.Block*disk.Block
	if shift%disk.Block != 0 || to-from < shareLeast {
		return false
	}
	src, dst, err := o.files(r.from.object)
	if err != nil {
		return false
	}
	return disk.Clone(dst, src, from, from+shift, to-from) == nil &&
		copyAt(dst, src, begin, begin+shift, from-begin) == nil && copyAt(dst, src, to, to+shift, end-to) == nil
}

// files returns an older blob's file, if it is whole still, and this one's.
func (o *Object) files(older *Object) (src, dst disk.File, err error) {
	older.mu.Lock()
	if err = ErrMissing; older.complete { // of one that was removed, open would make a new file
		src, err = older.open()
	}
	older.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	dst, err = o.open()
	return src, dst, err
}

// copyAt copies fewer bytes than a block has.
func copyAt(dst, src disk.File, to, from, n int64) error {
	if n == 0 {
		return nil
	}
	var buf [disk.Block]byte
	if _, err := src.ReadAt(buf[:n], from); err != nil {
		return err
	}
	_, err := dst.WriteAt(buf[:n], to)
	return err
}

// checkShared takes a run that stands in the file already, once what the disk gives there was found to be right: a copy of the older blob that
// is in memory may be better than what the disk has.
func (o *Object) checkShared(r run, buf []byte) (int64, error) {
	data := buf[:o.bytesOfRun(r)]
	b, err := o.awaits(r.first, len(data))
	if b.chunks == nil || err != nil {
		return 0, err
	}
	if _, err := b.file.ReadAt(data, b.offset()); err != nil {
		return 0, errors.Join(ErrCorrupt, err)
	}
	if o.right(b, data) < len(b.chunks) {
		return 0, ErrCorrupt
	}
	fresh, err := o.take(b, len(b.chunks), data)
	return o.bytesOf(fresh), err
}

func (o *Object) bytesOfRun(r run) int64 {
	chunks := o.Chunks()[r.first:][:r.count]
	last := chunks[r.count-1]
	return last.Offset + int64(last.Size) - chunks[0].Offset
}
