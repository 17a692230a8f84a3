package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
)

// block is some consecutive chunks: their bytes, and where each ends in them.
type block struct {
	data  []byte
	ends  []int
	users atomic.Int32 // stages that are not done with it
}

// Memory that was used is there; new memory costs more than finding the chunks in it.
var blockPool = sync.Pool{New: func() any { return &block{data: make([]byte, 0, blockSize+MaxChunk)} }}

func (b *block) done() {
	if b.users.Add(-1) == 0 {
		b.data, b.ends = b.data[:0], b.ends[:0]
		blockPool.Put(b)
	}
}

func split(ctx context.Context, r io.Reader, w io.Writer, outs ...chan<- *block) error {
	cdc, err := chunkers.NewChunker(algorithm, r, &chunkers.ChunkerOpts{MinSize: minChunk, NormalSize: averageChunk, MaxSize: MaxChunk})
	if err != nil {
		return err
	}
	for done := false; !done; {
		b := blockPool.Get().(*block)
		b.users.Store(int32(len(outs)))
		for len(b.data) < blockSize && !done {
			chunk, err := cdc.Next()
			if done = errors.Is(err, io.EOF); err != nil && !done {
				return fmt.Errorf("read blob: %w", err)
			}
			if len(chunk) > 0 {
				b.data = append(b.data, chunk...)
				b.ends = append(b.ends, len(b.data))
			}
		}
		if _, err := w.Write(b.data); err != nil {
			return err
		}
		for _, out := range outs {
			select {
			case out <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func nameChunks(in <-chan *block) (chunks []Chunk, marks []uint32) {
	var offset int64
	for b := range in {
		begin := 0
		for _, end := range b.ends {
			data := b.data[begin:end]
			chunks = append(chunks, Chunk{sha256.Sum256(data), offset + int64(begin), int32(len(data))})
			marks = append(marks, crc32.Checksum(data, castagnoli))
			begin = end
		}
		offset += int64(len(b.data))
		b.done()
	}
	return chunks, marks
}

func sumBlocks(h hash.Hash, in <-chan *block) {
	for b := range in {
		h.Write(b.data) // a hash never fails
		b.done()
	}
}
