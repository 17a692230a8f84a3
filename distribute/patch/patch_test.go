package patch

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func file(b []byte) File { return File{bytes.NewReader(b), int64(len(b))} }

func result(b []byte) Result { return Result{int64(len(b)), sha256.Sum256(b)} }

func mustMake(t testing.TB, old, new []byte) []byte {
	t.Helper()
	var p bytes.Buffer
	if err := Make(context.Background(), file(old), file(new), &p); err != nil {
		t.Fatal(err)
	}
	return p.Bytes()
}

func apply(old, patch []byte, want Result) ([]byte, error) {
	var out bytes.Buffer
	err := Apply(context.Background(), file(old), bytes.NewReader(patch), &out, want)
	return out.Bytes(), err
}

// roundTrip is the length of the patch, which has to make new of old.
func roundTrip(t testing.TB, old, new []byte) int {
	t.Helper()
	p := mustMake(t, old, new)
	got, err := apply(old, p, result(new))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, new) {
		t.Fatal("made something else, and did not say so")
	}
	return len(p)
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = r.Read(b) // never fails
	return b
}

// text repeats itself as programs do.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 300)
	for i := range words {
		words[i] = noise(uint64(i), 3+r.IntN(9))
	}
	var b []byte
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
	}
	return b[:n]
}

// examples returns bytes, others, the first in another order, and the first with a little added in many places, as a linker does.
func examples() (a, b, moved, addresses []byte) {
	a, b = noise(1, 300_000), noise(2, 300_000)
	moved = bytes.Join([][]byte{a[200_000:], a[:100_000], a[100_000:200_000]}, nil)
	addresses = bytes.Clone(a)
	for i := 0; i+4 < len(addresses); i += 100 {
		addresses[i] += 16
	}
	return a, b, moved, addresses
}

func TestSizes(t *testing.T) {
	a, b, moved, addresses := examples()
	for _, c := range []struct {
		name     string
		old, new []byte
		most     int
	}{
		{"both empty", nil, nil, 40},
		{"from nothing", nil, a, len(a) + 100},
		{"to nothing", a, nil, 40},
		{"the same", a, a, 60},
		{"unrelated", a, b, len(b) + 200},
		{"moved", a, moved, 100},
		{"cut", a, a[150_000:150_001], 60},
		{"inserted", a, bytes.Join([][]byte{a[:5], b[:100], a[5:]}, nil), 200},
		{"an address in each hundred bytes", a, addresses, 1000},
		{"zeros grow", make([]byte, 10_000), make([]byte, 1_000_000), 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := roundTrip(t, c.old, c.new); n > c.most {
				t.Errorf("takes %d bytes, not %d", n, c.most)
			}
		})
	}
}

func deflated(t testing.TB, b []byte, level int) []byte {
	var buf bytes.Buffer
	buf.WriteString("head")
	z, err := zlib.NewWriterLevel(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	_, err = z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	g, err := gzip.NewWriterLevel(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	g.Name = "name"
	_, err = g.Write(b[len(b)/2:])
	if err := errors.Join(err, g.Close()); err != nil {
		t.Fatal(err)
	}
	buf.WriteString("tail")
	return buf.Bytes()
}

func TestDeflated(t *testing.T) {
	a := text(1, 200_000)
	b := bytes.Clone(a)
	for i := 0; i < len(b); i += 5000 {
		b[i]++
	}
	for level := 1; level <= 9; level++ {
		old, new := deflated(t, a, level), deflated(t, b, level)
		if n := roundTrip(t, old, new); n > 2500 {
			t.Errorf("level %d takes %d bytes, of %d deflated", level, n, len(new))
		}
	}
	if n := roundTrip(t, a, deflated(t, b, 6)); n > 2500 {
		t.Errorf("from bytes that were not deflated takes %d", n)
	}
}

// What any deflate other than this program's made is left as it is, and still told right.
func TestForeignDeflate(t *testing.T) {
	old, new := deflated(t, text(1, 50_000), 6), deflated(t, text(2, 50_000), 6)
	new[100] ^= 1 // in the stream: either it does not inflate, or to what deflates to another
	roundTrip(t, old, new)
}

func TestRandomEdits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		old := text(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 20_000).Draw(rt, "size"))
		new := bytes.Clone(old)
		for range rapid.IntRange(0, 12).Draw(rt, "edits") {
			new = edit(rt, new)
		}
		if rapid.Bool().Draw(rt, "deflated") && len(old) > 0 && len(new) > 0 {
			level := rapid.IntRange(1, 9).Draw(rt, "level")
			old, new = deflated(t, old, level), deflated(t, new, level)
		}
		p := mustMake(t, old, new)
		if got, err := apply(old, p, result(new)); err != nil || !bytes.Equal(got, new) {
			rt.Fatalf("apply: %v", err)
		}
	})
}

func edit(rt *rapid.T, b []byte) []byte {
	from := rapid.IntRange(0, len(b)).Draw(rt, "from")
	to := rapid.IntRange(from, len(b)).Draw(rt, "to")
	switch rapid.IntRange(0, 3).Draw(rt, "kind") {
	case 0: // remove
		return append(bytes.Clone(b[:from]), b[to:]...)
	case 1: // insert
		in := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "bytes")
		return bytes.Join([][]byte{b[:from], in, b[from:]}, nil)
	case 2: // move
		return bytes.Join([][]byte{b[from:to], b[:from], b[to:]}, nil)
	}
	for i := from; i < to; i += 50 { // change
		b[i] += 3
	}
	return b
}

// What an operation needs is in the frame that it is in, where operations are what fills the frame.
func TestOperationsFillFrames(t *testing.T) {
	const n = maxPart + 1000
	old, new := make([]byte, n), bytes.Repeat([]byte{1}, n)
	for name, tell := range map[string]func(w *writer, i int) error{
		"literals":    func(w *writer, i int) error { return w.insert(new[i : i+1]) },
		"differences": func(w *writer, i int) error { return w.add(int64(i), old[i:i+1], new[i:i+1]) },
	} {
		var p bytes.Buffer
		w, err := newWriter(&p, n, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.zstd.Close()
		err = w.header(n)
		for i := 0; i < n && err == nil; i++ {
			err = tell(w, i)
		}
		if err = errors.Join(err, w.close()); err != nil {
			t.Fatal(err)
		}
		if got, err := apply(old, p.Bytes(), result(new)); err != nil || !bytes.Equal(got, new) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// looked is a context that ends when it was asked so often.
type looked struct {
	context.Context
	looks, most int
}

func (l *looked) Err() error {
	if l.looks++; l.looks > l.most {
		return context.Canceled
	}
	return nil
}

// Whoever gives up does not wait until all regions were found and deflated again, or likened: the context is looked at before each.
func TestRegionsEnd(t *testing.T) {
	const n = 8
	var b []byte
	for i := range n {
		b = append(b, deflated(t, text(uint64(i), 10_000), 6)...)
	}
	whole := []span{{0, len(b)}}
	found, err := regions(t.Context(), b, whole, false)
	if err != nil || len(found) < n {
		t.Fatalf("%d regions: %v", len(found), err)
	}
	for what, do := range map[string]func(ctx context.Context) error{
		"found":         func(ctx context.Context) error { _, err := regions(ctx, b, whole, false); return err },
		"deflated":      func(ctx context.Context) error { _, err := regions(ctx, b, whole, true); return err },
		"likened":       func(ctx context.Context) error { _, err := newPartners(ctx, b, found); return err },
		"in a new file": func(ctx context.Context) error { return Make(ctx, file(noise(1, 1000)), file(b), io.Discard) },
		"in an old one": func(ctx context.Context) error { return Make(ctx, file(b), file(noise(1, 1000)), io.Discard) },
	} {
		for most := range len(found) {
			ctx := &looked{t.Context(), 0, most}
			if err := do(ctx); !errors.Is(err, context.Canceled) || ctx.looks != most+1 {
				t.Errorf("regions %s: ends after %d looks, of %d: %v", what, ctx.looks, most+1, err)
			}
		}
	}
}

// What is not the patch, or not for these files, is refused by its right name.
func TestRefuses(t *testing.T) {
	old, new := text(1, 50_000), text(2, 50_000)
	p := mustMake(t, old, new)
	other := bytes.Clone(p)
	other[len(magic)+2]++
	for _, c := range []struct {
		name  string
		old   []byte
		patch []byte
		want  Result
		err   error
	}{
		{"cut", old, p[:len(p)-1], result(new), ErrForm},
		{"nothing", old, nil, result(new), ErrForm},
		{"longer", old, append(bytes.Clone(p), 0), result(new), ErrForm},
		{"another's deflate", old, other, result(new), ErrVersion},
		{"another length of old", old[1:], p, result(new), ErrForm},
		{"another old", text(3, 50_000), p, result(new), ErrResult},
		{"shorter result", old, p, Result{49_999, sha256.Sum256(new[:49_999])}, ErrResult},
		{"longer result", old, p, Result{50_001, sha256.Sum256(new)}, ErrResult},
		{"another result", old, p, result(old), ErrResult},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := apply(c.old, c.patch, c.want)
			if !errors.Is(err, c.err) {
				t.Errorf("got %v, not %v", err, c.err)
			}
			if int64(len(out)) > c.want.Size {
				t.Errorf("wrote %d bytes", len(out))
			}
		})
	}
}

type failing struct{}

var errDisk = errors.New("disk")

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errDisk }
func (failing) Read([]byte) (int, error)          { return 0, errDisk }
func (failing) Write([]byte) (int, error)         { return 0, errDisk }

// A fault of this machine is not taken for a bad patch.
func TestFaultsStayThemselves(t *testing.T) {
	old := noise(1, 10_000)
	p := mustMake(t, old, old)
	ctx := context.Background()
	broken := File{failing{}, int64(len(old))}
	last := io.MultiReader(bytes.NewReader(p), failing{})
	references := mustScale(t, old, old, byReferences)
	lastReferences := io.MultiReader(bytes.NewReader(references), failing{})
	for name, err := range map[string]error{
		"make, old":                Make(ctx, broken, file(old), io.Discard),
		"make, new":                Make(ctx, file(old), broken, io.Discard),
		"make, write":              Make(ctx, file(old), file(old), failing{}),
		"apply, old":               Apply(ctx, broken, bytes.NewReader(p), io.Discard, result(old)),
		"apply, patch":             Apply(ctx, file(old), failing{}, io.Discard, result(old)),
		"apply, write":             Apply(ctx, file(old), bytes.NewReader(p), failing{}, result(old)),
		"apply, patch's end":       Apply(ctx, file(old), last, io.Discard, result(old)),
		"apply, end of references": Apply(ctx, file(old), lastReferences, io.Discard, result(old)),
	} {
		if !errors.Is(err, errDisk) || errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := Apply(ended, file(old), bytes.NewReader(p), io.Discard, result(old)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := Make(ended, file(old), file(old), io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
