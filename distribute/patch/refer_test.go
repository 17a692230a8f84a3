package patch

import (
	"bytes"
	"context"
	"testing"

	"pgregory.net/rapid"
)

// little is a scale at which small files have many pieces.
var little = scale{piece: 4 << 10, stretch: 32 << 10, run: 2 << 10, part: 1 << 10, probe: 256, zeros: 4}

// mustScale makes a patch as for large files, by steps if no more than most bytes of new are told so.
func mustScale(t testing.TB, old, new []byte, most int64) []byte {
	t.Helper()
	var p bytes.Buffer
	if err := makeScaled(context.Background(), file(old), file(new), &p, little, little, most); err != nil {
		t.Fatal(err)
	}
	return p.Bytes()
}

const (
	bySteps      = 1 << 40
	byReferences = -1
)

// A large file is told in few bytes wherever its parts were, and made again from end to end.
func TestLarge(t *testing.T) {
	a, b, moved, addresses := examples()
	far := append(bytes.Clone(b), a...)
	for _, c := range []struct {
		name          string
		old, new      []byte
		steps, refers int // bytes at most
	}{
		{"both empty", nil, nil, 40, 20},
		{"from nothing", nil, a, len(a) + 500, len(a) + 600},
		{"to nothing", a, nil, 40, 20},
		{"from a byte", a[:1], a, len(a) + 500, len(a) + 600},
		{"the same", a, a, 40, 30},
		{"unrelated", a, b, len(b) + 500, len(b) + 800},
		{"moved", a, moved, 100, 100},
		{"from far", far, a, 40, 30},
		{"cut", a, a[150_000:150_001], 60, 60},
		{"inserted", a, bytes.Join([][]byte{a[:5], b[:100], a[5:]}, nil), 200, 200},
		{"an address in each hundred bytes", a, addresses, 2000, 30_000},
		{"and moved", far, append(bytes.Clone(addresses), b...), 2000, 30_000},
		{"zeros grow", make([]byte, 10_000), make([]byte, 1_000_000), 1000, 6000},
	} {
		for most, bound := range map[int64]int{bySteps: c.steps, byReferences: c.refers} {
			p := mustScale(t, c.old, c.new, most)
			if v := p[len(magic)]; v != map[int64]byte{bySteps: version, byReferences: referVersion}[most] {
				t.Errorf("%s: version %d", c.name, v)
			}
			got, err := apply(c.old, p, result(c.new))
			if err != nil || !bytes.Equal(got, c.new) {
				t.Errorf("%s: %v", c.name, err)
			}
			if len(p) > bound {
				t.Errorf("%s: version %d takes %d bytes, not %d", c.name, p[len(magic)], len(p), bound)
			}
		}
	}
}

func TestLargeAtRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		old := text(rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 60_000).Draw(rt, "size"))
		new := bytes.Clone(old)
		for range rapid.IntRange(0, 12).Draw(rt, "edits") {
			new = edit(rt, new)
		}
		for _, most := range []int64{bySteps, byReferences} {
			p := mustScale(t, old, new, most)
			if got, err := apply(old, p, result(new)); err != nil || !bytes.Equal(got, new) {
				rt.Fatalf("apply: %v", err)
			}
		}
	})
}
