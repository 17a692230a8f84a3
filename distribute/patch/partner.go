package patch

import (
	"context"
	"slices"
)

const (
	sketchLen  = 64 // hashes that stand for a region
	shingleLen = 16 // bytes that a hash is of
)

// partners finds for each deflated region of new the one of old that is most like it. A region is
// known by the smallest hashes of its shingles (Broder, On the resemblance and containment of
// documents, 1997).
type partners struct {
	old     []byte
	regions []region
	having  map[uint64][]int // a hash of sketches: the regions
}

func newPartners(ctx context.Context, old []byte, regions []region) (*partners, error) {
	p := &partners{old: old, regions: regions, having: map[uint64][]int{}}
	for i := range regions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, h := range sketch(p.content(i)) {
			p.having[h] = append(p.having[h], i)
		}
	}
	return p, nil
}

// content of the i-th region; nil if old does not have what was found there.
func (p *partners) content(i int) []byte {
	content, err := p.regions[i].content(p.old)
	if err != nil {
		return nil // regions has read it before: it cannot be
	}
	return content
}

// of is the region for the i-th of new, and what it inflates to: that with most hashes in common,
// and the i-th if none has any. nil if old has no regions.
func (p *partners) of(content []byte, i int) (region, []byte) {
	if len(p.regions) == 0 {
		return region{}, nil
	}
	best := min(i, len(p.regions)-1)
	votes := map[int]int{}
	for _, h := range sketch(content) {
		for _, r := range p.having[h] {
			votes[r]++
			if votes[r] > votes[best] || votes[r] == votes[best] && r < best {
				best = r
			}
		}
	}
	return p.regions[best], p.content(best)
}

// sketch is the sketchLen smallest hashes of shingles, in order, each once.
func sketch(b []byte) []uint64 {
	var out []uint64
	for i := 0; i+shingleLen <= len(b); i++ {
		h := shingle(b[i:])
		if len(out) == sketchLen && h >= out[sketchLen-1] {
			continue
		}
		at, has := slices.BinarySearch(out, h)
		if has {
			continue
		}
		if len(out) == sketchLen {
			out = out[:sketchLen-1]
		}
		out = slices.Insert(out, at, h)
	}
	return out
}
