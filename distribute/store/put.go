package store

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"selvage/internal/disk"
	"selvage/internal/mutant"
)

// batch is adjacent chunks on their way into a blob.
type batch struct {
	first  int
	chunks []Chunk
	same   [][]int // of each, which others have the same bytes; nil if none has
	file   disk.File
}

func (b batch) offset() int64 { return b.chunks[0].Offset }

// bytes returns how many the first n of its chunks have.
func (b batch) bytes(n int) int {
	if n == 0 {
		return 0
	}
	last := b.chunks[n-1]
	return int(last.Offset + int64(last.Size) - b.offset())
}

// Put takes the bytes of the i-th chunk, or of several from the i-th on, once they were found to be what the list says. Those from
// the first on that are not, or do not end with a chunk, are not taken, and ErrCorrupt is in the error's chain. What is here
// already is passed over. It returns the chunks that are new here, also beside an error: these, and those that are the same.
func (o *Object) Put(i int, data []byte) ([]int, error) {
	b, err := o.awaits(i, len(data))
	if b.chunks == nil || err != nil {
		return nil, err
	}
	right := o.right(b, data)
	var fresh []int
	if right > 0 {
		data = data[:b.bytes(right)]
		if _, err = b.file.WriteAt(data, b.offset()); err != nil {
			return nil, o.unlessComplete(err)
		}
		fresh, err = o.take(b, right, data)
	}
	if err == nil && right < len(b.chunks) {
		err = fmt.Errorf("chunk %d of %s: %w", i+right, o.Digest, ErrCorrupt)
	}
	return fresh, err
}

// awaits returns the chunks that so many bytes are from the i-th on; none if they are all here.
func (o *Object) awaits(i, size int) (batch, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i < 0 || i >= len(o.chunks) {
		return batch{}, fmt.Errorf("put chunk %d of %d: %w", i, len(o.chunks), ErrMissing)
	}
	n, missing := 0, false
	for left := size; n == 0 || left > 0 && i+n < len(o.chunks); n++ {
		missing = missing || !o.have.Has(i+n)
		left -= int(o.chunks[i+n].Size)
	}
	if o.complete || !missing {
		return batch{}, nil
	}
	file, err := o.open()
	if err != nil {
		return batch{}, fmt.Errorf("put chunk: %w", err)
	}
	b := batch{first: i, chunks: o.chunks[i : i+n], file: file}
	if len(o.first) > 0 {
		b.same = make([][]int, n)
		for k := range b.same {
			b.same[k] = o.others(i + k)
		}
	}
	return b, nil
}

// others returns the chunks that are the same as one. The caller holds mu.
func (o *Object) others(i int) (all []int) {
	first := i
	if j, ok := o.first[i]; ok {
		first = j
		all = append(all, j)
	}
	for _, k := range o.twins[first] {
		if k != i {
			all = append(all, k)
		}
	}
	return all
}

// right returns how many of the chunks, from the first on, have the bytes that the list says. It marks them.
func (o *Object) right(b batch, data []byte) int {
	for k, c := range b.chunks {
		if len(data) < int(c.Size) || k == len(b.chunks)-1 && len(data) > int(c.Size) {
			return k
		}
		part := data[:c.Size]
		if sha256.Sum256(part) != c.Hash && !mutant.On(mutant.SkipChunkVerification) {
			return k
		}
		o.mark(b.first+k, part)
		data = data[c.Size:]
	}
	return len(b.chunks)
}

// unlessComplete is an error of writing a chunk; none if the blob became whole in another way, and its file another.
func (o *Object) unlessComplete(err error) error {
	if o.Complete() {
		return nil
	}
	return fmt.Errorf("put chunk: %w", err)
}

// take takes in the first n chunks, which were checked and stand in the file. Where else their bytes belong, they are written.
func (o *Object) take(b batch, n int, data []byte) ([]int, error) {
	places := make([]int, 0, n)
	for k, c := range b.chunks[:n] {
		places = append(places, b.first+k)
		if b.same == nil {
			continue
		}
		part := data[c.Offset-b.offset():][:c.Size]
		for _, at := range b.same[k] {
			o.mark(at, part)
			if err := o.writeTwin(at, part, b.file); err != nil {
				return nil, o.unlessComplete(err)
			}
			places = append(places, at)
		}
	}
	return o.note(places, b, data)
}

func (o *Object) writeTwin(i int, data []byte, file disk.File) error {
	_, err := file.WriteAt(data, o.Chunks()[i].Offset)
	return err
}

// note records that chunks were written, of which a batch has these bytes in memory, and syncs now and then.
func (o *Object) note(places []int, b batch, data []byte) ([]int, error) {
	o.mu.Lock()
	var fresh []int
	for _, i := range places {
		if o.have.Set(i) {
			fresh = append(fresh, i)
			o.haveBytes += int64(o.chunks[i].Size)
			o.unsynced += int64(o.chunks[i].Size)
		}
	}
	due := !o.flushing && (o.unsynced >= syncBytes || time.Since(o.synced) >= 2*SyncEvery)
	o.follow(b, data)
	o.mu.Unlock()
	if due {
		return fresh, o.Flush()
	}
	return fresh, nil
}

var buffers = sync.Pool{New: func() any { return new([MaxChunk]byte) }}

// follow adds to the digest of the whole the chunks that come next and are here: those that were just put, from memory, and others
// from the file. One goroutine at a time does; what it cannot read is left to Finish. The caller holds mu, which is let go meanwhile.
func (o *Object) follow(put batch, data []byte) {
	if o.summing {
		return
	}
	o.summing = true
	sum, chunks := o.sum, o.chunks
	var buf *[MaxChunk]byte
	for o.summed < len(chunks) && o.have.Has(o.summed) {
		c := chunks[o.summed]
		o.mu.Unlock()
		var part []byte
		n := int(c.Size)
		if from := c.Offset - put.offset(); from >= 0 && from+int64(n) <= int64(len(data)) {
			part = data[from:][:n]
		} else {
			if buf == nil {
				buf = buffers.Get().(*[MaxChunk]byte)
				defer buffers.Put(buf)
			}
			part = buf[:n]
			n, _ = put.file.ReadAt(part, c.Offset)
		}
		if n == len(part) {
			sum.Write(part) // a hash never fails
		}
		o.mu.Lock()
		if n < len(part) || o.sum != sum {
			break
		}
		o.summed++
	}
	o.summing = false
	o.followed.Broadcast()
}
