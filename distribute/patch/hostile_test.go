package patch

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// script is a patch for old with one frame of these parts.
func script(old []byte, operations, differences, lits []byte) []byte {
	b := append([]byte(magic), version)
	b = append(b, deflaterPrint()...)
	b = binary.AppendUvarint(b, uint64(len(old)))
	for _, p := range [][]byte{operations, differences, lits} {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}

// Each of these lies in one way.
func TestHostile(t *testing.T) {
	old := deflated(t, text(1, 50_000), 6)
	rs, err := regions(t.Context(), old, []span{{0, len(old)}}, false)
	if err != nil {
		t.Fatal(err)
	}
	off, packed, size := uint64(rs[0].offset), uint64(rs[0].packed), uint64(rs[0].size)
	const huge = 1<<64 - 1
	open := []uint64{srcInflated << 2, off, packed, size}
	endless := append(numbers(sinkDeflate<<2, 8), bytes.Repeat(numbers(uint64(len(old))<<2|cp, seek<<2, zigzag(-int64(len(old)))), 10_000)...)
	for name, p := range map[string][]byte{
		"no end":                  script(old, numbers(srcOld<<2), nil, nil),
		"unknown operation":       script(old, numbers(9<<2), nil, nil),
		"copies past old":         script(old, numbers((uint64(len(old))+1)<<2|cp), nil, nil),
		"copies most":             script(old, numbers(huge-2), nil, nil),
		"adds what is not there":  script(old, numbers(5<<2|add), []byte{1}, nil),
		"inserts what is not":     script(old, numbers(5<<2|insert), nil, []byte{1}),
		"inserts most":            script(old, numbers(huge), nil, []byte{1}),
		"leaves literals":         script(old, numbers(end<<2), nil, []byte{1}),
		"seeks before old":        script(old, numbers(seek<<2, 1), nil, nil),
		"seeks far":               script(old, numbers(seek<<2, huge-1), nil, nil),
		"seeks far back":          script(old, numbers(seek<<2, huge), nil, nil),
		"cut operation":           script(old, numbers(seek<<2), nil, nil),
		"region too large":        script(old, numbers(srcInflated<<2, off, packed, maxInflated+1), nil, nil),
		"region outside":          script(old, numbers(srcInflated<<2, uint64(len(old)), 1, 1), nil, nil),
		"region at no place":      script(old, numbers(srcInflated<<2, huge, 1, 1), nil, nil),
		"region longer":           script(old, numbers(srcInflated<<2, off, packed, size+1), nil, nil),
		"region shorter":          script(old, numbers(srcInflated<<2, off, packed, size-1), nil, nil),
		"region of no stream":     script(old, numbers(srcInflated<<2, off+3, packed, size), nil, nil),
		"inflates for ever":       script(old, bytes.Repeat(numbers(open...), 10_000), nil, nil),
		"deflates for ever":       script(old, endless, nil, nil),
		"level":                   script(old, numbers(sinkDeflate<<2, 12), nil, nil),
		"deflates in deflated":    script(old, numbers(sinkDeflate<<2, 8, sinkDeflate<<2, 8), nil, nil),
		"ends what is not begun":  script(old, numbers(sinkPlain<<2), nil, nil),
		"ends in deflated":        script(old, numbers(sinkDeflate<<2, 8, end<<2), nil, nil),
		"empty frame":             script(old, nil, nil, nil),
		"part too large":          append(script(old, nil, nil, nil)[:len(magic)+1+printLen+2], numbers(maxPart+1, maxPart+1)...),
		"part larger than it was": append(script(old, nil, nil, nil)[:len(magic)+1+printLen+2], numbers(1, 2, 0)...),
		"no number":               append(script(old, nil, nil, nil)[:len(magic)+1+printLen+2], bytes.Repeat([]byte{0xff}, 20)...),
		"no zstd frame":           append(script(old, nil, nil, nil)[:len(magic)+1+printLen+2], numbers(5, 2, 0, 0)...),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := apply(old, p, Result{Size: 1 << 20})
			if !errors.Is(err, ErrForm) {
				t.Errorf("got %v", err)
			}
			if len(out) > 1<<20 {
				t.Errorf("wrote %d bytes", len(out))
			}
		})
	}
}

// reads counts how often a file is read.
type reads struct {
	*bytes.Reader
	n int64
}

func (r *reads) ReadAt(b []byte, off int64) (int, error) {
	r.n++
	return r.Reader.ReadAt(b, off)
}

// nothing deflates no bytes, in so many blocks and a last one.
func nothing(t *testing.T, blocks int) []byte {
	var b bytes.Buffer
	f, err := flate.NewWriter(&b, 6)
	for range blocks {
		err = errors.Join(err, f.Flush())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A region that inflates to nothing is not free, and no more is one that is long.
func TestEmptyRegions(t *testing.T) {
	const size = 1 << 20
	for _, region := range [][]byte{nothing(t, 0), nothing(t, 10_000)} {
		old := &reads{Reader: bytes.NewReader(region)}
		op := numbers(srcInflated<<2, 0, uint64(len(region)), 0)
		p := script(region, bytes.Repeat(op, maxPart/len(op)), nil, nil)
		err := Apply(t.Context(), File{old, int64(len(region))}, bytes.NewReader(p), io.Discard, Result{Size: size})
		if most := 3 * inflateMost(size) / startCost; !errors.Is(err, ErrForm) || old.n < 100 || old.n > most {
			t.Errorf("%d bytes: %v after %d reads, at most %d", len(region), err, old.n, most)
		}
	}
}

// Whoever gives up does not wait for operations that write nothing.
func TestEmptyOperationsEnd(t *testing.T) {
	old := noise(1, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := script(old, append(bytes.Repeat(numbers(srcOld<<2), 1000), numbers(end<<2)...), nil, nil)
	if err := Apply(ctx, File{bytes.NewReader(old), int64(len(old))}, bytes.NewReader(p), io.Discard, Result{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Frames that do nothing unpack to a bound.
func TestUnpacksToABound(t *testing.T) {
	old := noise(1, 10)
	w, err := newWriter(new(bytes.Buffer), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var p bytes.Buffer
	w.w = &p
	if err := w.header(int64(len(old))); err != nil {
		t.Fatal(err)
	}
	for p.Len() < 1<<20 {
		w.parts[ops] = bytes.Repeat([]byte{srcOld << 2}, maxPart)
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	in := bytes.NewReader(p.Bytes())
	err = Apply(t.Context(), file(old), in, new(bytes.Buffer), Result{Size: 1})
	if !errors.Is(err, ErrForm) {
		t.Errorf("got %v", err)
	}
	if in.Len() < 1<<19 {
		t.Error("was read to its end")
	}
}

// references is a patch of these entries for old.
func references(old []byte, entries ...[]byte) []byte {
	b := binary.AppendUvarint(append([]byte(magic), referVersion), uint64(len(old)))
	return append(b, bytes.Join(entries, nil)...)
}

// TestHostileReferences: each of these lies in one way.
func TestHostileReferences(t *testing.T) {
	old := text(1, 50_000)
	const huge = 1<<64 - 1
	size := uint64(len(old))
	packed, err := packAgainst(old[:1000], bytes.Repeat(old[:900], 2))
	if err != nil {
		t.Fatal(err)
	}
	piece := func(from, refers, size uint64, packed []byte) []byte {
		return append(numbers(referPiece, from, refers, size, uint64(len(packed))), packed...)
	}
	large := bytes.Clone(old)
	for len(large) < maxReference {
		large = append(large, large...)
	}
	for name, c := range map[string]struct{ old, patch []byte }{
		"no end":                  {old, references(old, numbers(referCopy, 0, 10))},
		"more after the end":      {old, references(old, numbers(referEnd, referEnd))},
		"unknown entry":           {old, references(old, numbers(9))},
		"no number":               {old, references(old, bytes.Repeat([]byte{0xff}, 20))},
		"another old":             {old[1:], references(old, numbers(referEnd))},
		"copies past old":         {old, references(old, numbers(referCopy, 1, size))},
		"copies from nowhere":     {old, references(old, numbers(referCopy, huge, 1))},
		"copies most":             {old, references(old, numbers(referCopy, 0, huge))},
		"copies nothing":          {old, references(old, numbers(referCopy, 0, 0))},
		"refers past old":         {old, references(old, piece(1, size, 1800, packed))},
		"refers to too much":      {large, references(large, piece(0, maxReference+1, 1800, packed))},
		"refers to all for ever":  {large, references(large, bytes.Repeat(piece(0, maxReference, 1800, mustPack(t, large[:maxReference], bytes.Repeat(old[:900], 2))), 1000))},
		"a piece of nothing":      {old, references(old, piece(0, 10, 0, nil))},
		"a piece too large":       {old, references(old, piece(0, 1000, maxPiece+1, packed))},
		"packed larger than it":   {old, references(old, piece(0, 1000, 3, packed))},
		"unpacks to less":         {old, references(old, piece(0, 1000, 1900, packed))},
		"unpacks to more":         {old, references(old, piece(0, 1000, 1700, packed))},
		"packed is cut":           {old, references(old, piece(0, 1000, 1800, packed)[:20])},
		"no zstd frame":           {old, references(old, piece(0, 1000, 1800, []byte{1, 2, 3}))},
		"a dictionary is missing": {old, references(old, piece(0, 0, 1800, packed))},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := apply(c.old, c.patch, Result{Size: 1 << 20})
			if !errors.Is(err, ErrForm) {
				t.Errorf("got %v", err)
			}
			if len(out) > 1<<20 {
				t.Errorf("wrote %d bytes", len(out))
			}
		})
	}
}

func mustPack(t *testing.T, dictionary, b []byte) []byte {
	t.Helper()
	packed, err := packAgainst(dictionary, b)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// FuzzReferences hands entries over.
func FuzzReferences(f *testing.F) {
	old := text(1, 3000)
	new := append(bytes.Clone(old[500:]), old[:700]...)
	f.Add(mustScale(f, old, new, byReferences)[len(magic)+3:])
	packed, err := packAgainst(old[:1000], new[:600])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(append(numbers(referPiece, 0, 1000, 600, uint64(len(packed))), packed...), referEnd))
	f.Fuzz(func(t *testing.T, data []byte) {
		want := result(new)
		out, err := apply(old, references(old, data), want)
		if int64(len(out)) > want.Size {
			t.Fatalf("wrote %d bytes", len(out))
		}
		if err == nil && !bytes.Equal(out, new) {
			t.Fatal("took something else for the result")
		}
	})
}

func FuzzApply(f *testing.F) {
	old, new := deflated(f, text(1, 3000), 6), deflated(f, text(1, 3300), 6)
	f.Add(mustMake(f, old, new)[len(magic)+1+printLen:])
	f.Add(mustMake(f, old, old[50:])[len(magic)+1+printLen:])
	f.Add(script(old, numbers(srcInflated<<2, 6, 700, 3000), nil, nil)[len(magic)+1+printLen:])
	f.Fuzz(func(t *testing.T, data []byte) {
		p := append(script(nil, nil, nil, nil)[:len(magic)+1+printLen], data...)
		want := result(new)
		out, err := apply(old, p, want)
		if int64(len(out)) > want.Size {
			t.Fatalf("wrote %d bytes", len(out))
		}
		if err == nil && !bytes.Equal(out, new) {
			t.Fatal("took something else for the result")
		}
	})
}

// FuzzOperations hands operations over as they are, past zstd.
func FuzzOperations(f *testing.F) {
	old := deflated(f, text(1, 3000), 6)
	f.Add(numbers(5<<2|cp, 3<<2|add, 2<<2|insert, seek<<2, 4, end<<2), []byte("dif"), []byte("li"))
	f.Add(numbers(srcInflated<<2, 6, 700, 3000, 9<<2|cp, sinkDeflate<<2, 8, 9<<2|cp, sinkPlain<<2, end<<2), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, operations, differences, lits []byte) {
		out, err := apply(old, script(old, operations, differences, lits), Result{Size: 10_000})
		if err == nil {
			t.Fatal("no patch makes what has no digest")
		}
		if len(out) > 10_000 {
			t.Fatalf("wrote %d bytes", len(out))
		}
	})
}

// FuzzMake: whatever the files, the patch makes the one of the other.
func FuzzMake(f *testing.F) {
	f.Add([]byte("one two three four five six"), []byte("one two seven four five six"))
	f.Add(deflated(f, text(1, 2000), 6), deflated(f, text(1, 2100), 6))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		roundTrip(t, old, new)
		for _, most := range []int64{bySteps, byReferences} {
			if got, err := apply(old, mustScale(t, old, new, most), result(new)); err != nil || !bytes.Equal(got, new) {
				t.Fatalf("as large files: %v", err)
			}
		}
	})
}
