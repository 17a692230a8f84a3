package distribute

import (
	"bufio"
	"context"
	"io"
	"sync"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

const (
	// slabBytes is how many bytes of adjacent chunks are checked and stored at once, at least a chunk. A write for each chunk
	// takes the kernel about twice as long.
	slabBytes = 256 << 10
	// batchTime is how long a chunk that came waits for more at most, while more comes: less than a chunk takes on links that are
	// slower than the disk, so that there each is stored, and told of, as it comes.
	batchTime = 3 * time.Millisecond
)

type slab [slabBytes]byte

var slabs = sync.Pool{New: func() any { return new(slab) }}

// takeSlab waits until there is room for a slab; nil if ctx ended.
func (s *Swarm) takeSlab(ctx context.Context) *slab {
	select {
	case s.room <- struct{}{}:
		return slabs.Get().(*slab)
	case <-ctx.Done():
		return nil
	}
}

func (s *Swarm) freeSlab(b *slab) {
	slabs.Put(b)
	<-s.room
}

// batch is adjacent chunks on their way from reading to storing.
type batch struct {
	first, count int
	bytes        int
	slab         *slab
	last         bool // it is the end of its run
}

func (b batch) data() []byte { return b.slab[:b.bytes] }

// filling is a slab into which a run's chunks are read.
type filling struct {
	batch
	list    []store.Chunk // of the whole blob
	end     int           // of the run
	began   time.Time
	partial int // bytes of a chunk that is not whole yet
	most    int // bytes up to the end of the last chunk that has room
}

// newFilling has a slab filled with the run's next chunks, whose first bytes are those that came already.
func newFilling(s *slab, list []store.Chunk, first, end int, came []byte) *filling {
	f := &filling{batch: batch{first: first, slab: s}, list: list, end: end, began: time.Now()}
	f.partial = copy(s[:], came)
	for _, c := range list[first:end] {
		if f.most+int(c.Size) > slabBytes {
			break
		}
		f.most += int(c.Size)
	}
	return f
}

// read reads once, and reports whether the chunks that are whole are to be stored now.
func (f *filling) read(r io.Reader) (ready bool, err error) {
	room, n := f.slab[f.bytes+f.partial:f.most], 0
	if len(room) > 0 { // an empty blob has an empty chunk
		n, err = r.Read(room)
	}
	f.partial += n
	for next := f.first + f.count; next < f.end && f.partial >= int(f.list[next].Size); next++ {
		f.partial -= int(f.list[next].Size)
		f.bytes += int(f.list[next].Size)
		f.count++
		if f.bytes == f.most {
			break
		}
	}
	f.last = f.first+f.count == f.end
	return f.bytes == f.most || f.count > 0 && (err != nil || n < len(room) && time.Since(f.began) >= batchTime), err
}

// rest returns the bytes of the chunk that is not whole yet.
func (f *filling) rest() []byte { return f.slab[f.bytes:][:f.partial] }

// readRun reads the answer to a run, and hands its chunks on as they come.
func (f *fetcher) readRun(r io.Reader, list []store.Chunk, run planner.Run, out chan<- batch) error {
	var came []byte
	end := run.First + run.Count
	for next := run.First; next < end; {
		s, err := f.buffer()
		if err != nil {
			f.task.wasted(f.n, len(came))
			return err
		}
		in := newFilling(s, list, next, end, came)
		for ready := false; !ready && err == nil; {
			ready, err = in.read(r)
		}
		came = append(came[:0], in.rest()...)
		next += in.count
		if in.count > 0 {
			f.hold(1)
			out <- in.batch // store takes all, to the end
		} else {
			f.task.swarm.freeSlab(s)
		}
		if err != nil && next < end {
			f.task.wasted(f.n, len(came))
			return err
		}
	}
	return nil
}

// readPacked is readRun for an answer that is packed: it comes over an uplink, and each chunk is handed on by itself.
func (f *fetcher) readPacked(r *bufio.Reader, u *unpacker, list []store.Chunk, run planner.Run, out chan<- batch) error {
	end := run.First + run.Count
	for i := run.First; i < end; i++ {
		s, err := f.buffer()
		if err != nil {
			return err
		}
		size := int(list[i].Size)
		if n, err := u.read(r, s[:size]); err != nil {
			f.task.wasted(f.n, n)
			f.task.swarm.freeSlab(s)
			return err
		}
		f.hold(1)
		out <- batch{first: i, count: 1, bytes: size, slab: s, last: i == end-1} // store takes all, to the end
	}
	return nil
}
