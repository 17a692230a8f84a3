package simulator

import (
	"math/rand/v2"

	"selvage/simulator/scenario"
)

// content is the bytes of a release: those of the one before it, with a run of them replaced at random,
// or several.
func (t *story) content(s scenario.Seed) []byte {
	out := make([]byte, s.Size)
	fresh := s.Size
	if before, ok := t.releases[t.latest[s.Name]]; ok {
		fresh = max(s.Size-int64(copy(out, before.content)), int64(s.Change*float64(s.Size)))
	}
	if s.Places > 1 && int64(len(t.releases[t.latest[s.Name]].content)) >= s.Size {
		t.strew(out, fresh, s)
		return out
	}
	at := t.rand.Int64N(s.Size - fresh + 1)
	if old := int64(len(t.releases[t.latest[s.Name]].content)); old < s.Size {
		at = min(old, s.Size-fresh) // what the old one lacks is among what is new
	}
	fill(out[at:at+fresh], ChaCha(t.rand.Uint64(), s.Name), s.Repeats)
	return out
}

// strew replaces bytes in as many places as the release is said to differ in.
func (t *story) strew(out []byte, fresh int64, s scenario.Seed) {
	noise := ChaCha(t.rand.Uint64(), s.Name)
	places := int64(s.Places)
	for i := range places {
		at, end := s.Size*i/places, s.Size*(i+1)/places
		n := min(fresh*(i+1)/places-fresh*i/places, end-at)
		fill(out[at:at+n], noise, s.Repeats)
	}
}

// What repeats is so many bytes, and was there at most so many of them before: mostly within a chunk, as it is in programs,
// of which 128 KiB tell nearly as much as 4 MiB about what follows.
const (
	repeated   = 256
	repeatedIn = 64
)

// fill makes bytes up. A share of them repeats what went before, as in programs.
func fill(out []byte, noise *rand.ChaCha8, share float64) {
	if share == 0 {
		_, _ = noise.Read(out) // a generator never ends
		return
	}
	r := rand.New(noise)
	for at := 0; at < len(out); at += repeated {
		piece := out[at:min(at+repeated, len(out))]
		if at == 0 || r.Float64() >= share {
			_, _ = noise.Read(piece) // likewise
			continue
		}
		back := 1 + r.IntN(min(at/repeated, repeatedIn))
		copy(piece, out[at-back*repeated:])
	}
}
