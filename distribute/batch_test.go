package distribute

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// piecewise gives bytes in pieces, with a pause before each, and then an error.
type piecewise struct {
	data  []byte
	piece func() int
	pause time.Duration
	err   error
}

func (p *piecewise) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, p.err
	}
	if p.pause > 0 {
		time.Sleep(p.pause)
	}
	n := copy(b, p.data[:min(len(p.data), p.piece())])
	p.data = p.data[n:]
	return n, nil
}

// inRun has a run read, and returns what was handed on and when, and how many bytes were for nothing.
func inRun(list []store.Chunk, run planner.Run, r io.Reader) (got []batch, at []time.Time, wasted int64, err error) {
	s := &Swarm{room: make(chan struct{}, slabMost)}
	f := &fetcher{task: &task{swarm: s}, n: &neighbour{local: true}, ctx: context.Background()}
	out := make(chan batch)
	done := make(chan error, 1)
	go func() {
		done <- f.readRun(r, list, run, out)
		close(out)
	}()
	for b := range out {
		got, at = append(got, b), append(at, time.Now())
	}
	return got, at, f.task.stats.FromSite, <-done
}

// listOf returns the chunk list of a blob with chunks of these sizes.
func listOf(sizes []int) (list []store.Chunk) {
	var offset int64
	for _, n := range sizes {
		list = append(list, store.Chunk{Offset: offset, Size: int32(n)})
		offset += int64(n)
	}
	return list
}

// However an answer is cut up, and wherever it ends, all chunks that came whole are handed on, once and in order, and nothing else.
func TestBatches(t *testing.T) {
	gone := errors.New("the peer went")
	rapid.Check(t, func(t *rapid.T) {
		list := listOf(rapid.SliceOfN(rapid.IntRange(1, store.MaxChunk), 1, 12).Draw(t, "sizes"))
		first := rapid.IntRange(0, len(list)-1).Draw(t, "first")
		run := planner.Run{First: first, Count: rapid.IntRange(1, len(list)-first).Draw(t, "count")}
		last := list[first+run.Count-1]
		data := make([]byte, last.Offset+int64(last.Size)-list[first].Offset)
		rand.NewChaCha8([32]byte{1}).Read(data)
		came := data[:rapid.IntRange(0, len(data)).Draw(t, "come")]
		most := rapid.SampledFrom([]int{1200, 40_000, slabBytes}).Draw(t, "most at once")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "pieces"), 0))
		got, _, wasted, err := inRun(list, run, &piecewise{data: came, piece: func() int { return 1 + rng.IntN(most) }, err: gone})
		next, left := first, came
		for _, b := range got {
			if b.first != next || b.count == 0 || !bytes.Equal(b.data(), left[:b.bytes]) || b.last != (b.first+b.count == first+run.Count) {
				t.Fatalf("chunks %d+%d of %d bytes were handed on after %d", b.first, b.count, b.bytes, next)
			}
			next, left = next+b.count, left[b.bytes:]
		}
		switch whole := len(came) == len(data); {
		case whole && (err != nil || next != first+run.Count || wasted != 0):
			t.Fatalf("all came, and up to %d was handed on, %d bytes for nothing, %v", next, wasted, err)
		case !whole && (!errors.Is(err, gone) || wasted != int64(len(left)) || len(left) >= int(list[next].Size)):
			t.Fatalf("%d bytes of chunk %d were not handed on, %d for nothing, %v", len(left), next, wasted, err)
		}
	})
}

// On a thin link a chunk waits for no other; on a fast one slabs are filled.
func TestBatchesWait(t *testing.T) {
	const size, count = 32 << 10, 24
	for name, c := range map[string]struct {
		pause   time.Duration
		batches int
	}{"thin": {time.Millisecond, count}, "fast": {10 * time.Microsecond, count * size / slabBytes}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sizes := make([]int, count)
				for i := range sizes {
					sizes[i] = size
				}
				began := time.Now()
				got, at, _, err := inRun(listOf(sizes), planner.Run{Count: count}, &piecewise{data: make([]byte, count*size), piece: func() int { return 1200 }, pause: c.pause})
				if err != nil || len(got) != c.batches {
					t.Fatalf("%d batches, %v", len(got), err)
				}
				for k, b := range got {
					if came := began.Add(time.Duration(((b.first+b.count)*size+1199)/1200) * c.pause); at[k].Sub(came) > 2*c.pause+batchTime {
						t.Errorf("chunks %d+%d were handed on %v after they came", b.first, b.count, at[k].Sub(came))
					}
				}
			})
		})
	}
}
