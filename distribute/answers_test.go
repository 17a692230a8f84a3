package distribute

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"selvage/distribute/planner"
	"selvage/distribute/store"
	"selvage/internal/disk/memdisk"
	"selvage/internal/ident"
)

// answered is a blob, the runs that were asked for of it, and what a peer answers: plainly, and packed.
type answered struct {
	list          []store.Chunk
	runs          []planner.Run
	plain, packed []byte
}

// realAnswers has a swarm answer for a blob of two chunks, and of one. Larger ones would take a fuzzer long.
func realAnswers(f *testing.F) (all []answered) {
	s, err := store.Open(memdisk.New(0), "store")
	if err != nil {
		f.Fatal(err)
	}
	for _, data := range [][]byte{content(70, 60<<10), []byte("a small blob")} {
		o, err := s.Add(context.Background(), bytes.NewReader(data))
		if err != nil {
			f.Fatal(err)
		}
		a := answered{list: o.Chunks()}
		last := len(a.list) - 1
		a.runs = []planner.Run{{First: last, Count: 1}, {First: 0, Count: last + 1}, {First: 0, Count: 1}} // what is asked for again comes again
		requests, portions, gone := make(chan []planner.Run, 1), make(chan portion), make(chan struct{})
		requests <- a.runs
		close(requests)
		go func() {
			defer close(portions)
			(&Swarm{}).load(ident.NodeID{}, o, requests, portions, gone)
		}()
		pack := packing{packers: newPackers()}
		for p := range portions {
			a.plain = append(a.plain, p.data...)
			packed, err := pack.of(p, a.list)
			if err != nil {
				f.Fatal(err)
			}
			a.packed = append(a.packed, packed...)
			p.release()
		}
		all = append(all, a)
	}
	return all
}

// reads has what came read as the answers to the runs, and returns the chunks that were handed on.
func (a answered) reads(t *testing.T, came []byte) (got []batch, data []byte, err error) {
	s := &Swarm{room: make(chan struct{}, slabMost)}
	f := &fetcher{task: &task{swarm: s}, n: &neighbour{local: true}, ctx: context.Background(), sent: a.runs}
	out, done := make(chan batch), make(chan error, 1)
	go func() {
		done <- f.answers(bufio.NewReaderSize(bytes.NewReader(came), readAhead), a.list, out)
		close(out)
	}()
	for b := range out {
		got, data = append(got, b), append(data, b.data()...)
		f.hold(-1)
		s.freeSlab(b.slab)
	}
	if len(s.room) > 0 || f.waits() {
		t.Fatalf("%d slabs are left, or it still waits", len(s.room))
	}
	return got, data, <-done
}

// plainly is what the bytes are worth, if all answers in them are plain: the chunks that came whole, and whether the peer broke a
// rule after them. It is not known of what is packed.
func (a answered) plainly(came []byte) (data []byte, wrong, known bool) {
	for _, run := range a.runs {
		if len(came) == 0 {
			return data, false, true
		}
		status := came[0]
		came = came[1:]
		if status != statusOK {
			return data, status > statusPacked, status != statusPacked
		}
		for _, c := range a.list[run.First:][:run.Count] {
			if len(came) < int(c.Size) {
				return data, false, true
			}
			data, came = append(data, came[:c.Size]...), came[c.Size:]
		}
	}
	return data, len(came) > 0, true
}

// Whatever comes, chunks are handed on whole, in the order in which they were asked for, and no others; what is plain is handed on as it
// came; and the reading ends with an error that says who is at fault.
func FuzzAnswers(f *testing.F) {
	all := realAnswers(f)
	for k, a := range all {
		for _, b := range [][]byte{a.plain, a.packed, a.plain[:len(a.plain)-1], a.packed[:len(a.packed)/2], append(a.plain[:len(a.plain):len(a.plain)], 0), {statusMissing}, {9}} {
			f.Add(k == 0, b)
		}
	}
	f.Fuzz(func(t *testing.T, large bool, came []byte) {
		a := all[1]
		if large {
			a = all[0]
		}
		got, data, err := a.reads(t, came)
		if err == nil {
			t.Fatal("it ended without an error")
		}
		var asked, handed []int
		for _, r := range a.runs {
			for i := range r.Count {
				asked = append(asked, r.First+i)
			}
		}
		for _, b := range got {
			size := 0
			for i := range b.count {
				handed, size = append(handed, b.first+i), size+int(a.list[b.first+i].Size)
			}
			if size != b.bytes {
				t.Fatalf("chunks %d+%d of %d bytes have %d", b.first, b.count, size, b.bytes)
			}
		}
		if len(handed) > len(asked) || !slices.Equal(handed, asked[:len(handed)]) {
			t.Fatalf("chunks %v were handed on of %v", handed, asked)
		}
		want, wrong, known := a.plainly(came)
		if !bytes.HasPrefix(data, want) || known && (len(data) != len(want) || misbehaviour(err) != wrong) {
			t.Fatalf("%d bytes were handed on and %v; want %d, its fault: %v", len(data), err, len(want), wrong)
		}
		if errors.Is(err, errLocal) {
			t.Fatalf("this node is at fault: %v", err)
		}
	})
}
