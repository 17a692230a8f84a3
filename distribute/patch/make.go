package patch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// window is how large a file may be to be looked at as a whole, bytes.
const window = 256 << 20

// File is Size bytes that can be read in any order, by one at a time.
type File struct {
	io.ReaderAt
	Size int64
}

// Make writes a patch that turns old into new; see the package comment for what it holds in memory.
// The same files give the same patch. Nothing of the patch is good if it fails. Who publishes it applies it
// first: files that change while they are read make a patch for neither.
func Make(ctx context.Context, old, new File, w io.Writer) error {
	way := makeSmall
	if max(old.Size, new.Size) > window {
		way = makeLarge
	}
	if err := way(ctx, old, new, w); err != nil {
		return fmt.Errorf("make patch: %w", err)
	}
	return nil
}

// makeSmall is Make for files of a window each.
func makeSmall(ctx context.Context, old, new File, w io.Writer) error {
	return steps(old, new, w, func(m *maker) error {
		return m.tell(ctx, old, new, stretch{length: new.Size}, stretch{length: old.Size})
	})
}

// steps writes a patch by steps.
func steps(old, new File, w io.Writer, f func(m *maker) error) error {
	out, err := newWriter(w, new.Size, inflateMost(new.Size))
	if err != nil {
		return err
	}
	defer out.zstd.Close()
	if err := out.header(old.Size); err != nil {
		return err
	}
	if err := f(&maker{out: out}); err != nil {
		return err
	}
	return out.close()
}

// maker makes the patch for one piece of new, from one stretch of old.
type maker struct {
	out      *writer
	old, new []byte
	base     int64 // of old's stretch
}

// tell reads both and writes the operations.
func (m *maker) tell(ctx context.Context, old, new File, piece, from stretch) (err error) {
	if m.old, err = read(old, from.pos, from.length); err != nil {
		return fmt.Errorf("read old: %w", err)
	}
	if m.new, err = read(new, piece.at, piece.length); err != nil {
		return fmt.Errorf("read new: %w", err)
	}
	m.base = from.pos
	return m.window(ctx)
}

func read(f File, at, size int64) ([]byte, error) {
	b := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(f, at, size), b)
	return b, err
}

// window writes the operations for the window: what is between deflated regions of new from old as
// it is, each region from the region of old that is most like it.
func (m *maker) window(ctx context.Context) error {
	runs := settle(m.old, m.new)
	oldRest, newRest := rests(runs, len(m.old), len(m.new))
	plain := m.aligner(m.old, m.new, m.base)
	plain.seeds, plain.runs = newSeeds(m.old, oldRest), runs
	oldRegions, err := regions(ctx, m.old, oldRest, false)
	if err != nil {
		return err
	}
	olds, err := newPartners(ctx, m.old, oldRegions)
	if err != nil {
		return err
	}
	newRegions, err := regions(ctx, m.new, newRest, true)
	if err != nil {
		return err
	}
	at := 0
	for i, r := range newRegions {
		if err := ctx.Err(); err != nil {
			return err
		}
		content, err := r.content(m.new)
		if err != nil {
			return err
		}
		from, source := olds.of(content, i)
		cost := startCost + r.size
		if source != nil {
			cost += from.cost()
		}
		if !m.out.afford(cost) {
			continue
		}
		if err := plain.walk(ctx, at, int(r.offset)); err != nil {
			return err
		}
		if err := m.out.deflate(r.level); err != nil {
			return err
		}
		if err := m.region(ctx, plain, content, from, source); err != nil {
			return err
		}
		at = int(r.offset + r.packed)
	}
	return plain.walk(ctx, at, len(m.new))
}

// region writes the operations for what a region of new inflates to, from what one of old does.
func (m *maker) region(ctx context.Context, plain *aligner, content []byte, from region, source []byte) error {
	a := m.aligner(source, content, 0)
	if source == nil { // old has none
		a.old, a.base, a.seeds = plain.old, plain.base, plain.seeds
		return errors.Join(a.walk(ctx, 0, len(content)), m.out.plain())
	}
	from.offset += m.base
	a.seeds = newSeeds(source, []span{{0, len(source)}})
	if err := m.out.inflate(from); err != nil {
		return err
	}
	if err := a.walk(ctx, 0, len(content)); err != nil {
		return err
	}
	return errors.Join(m.out.original(), m.out.plain())
}

// aligner is one whose steps are written; base says where its old bytes begin in the applier's source.
func (m *maker) aligner(old, new []byte, base int64) *aligner {
	a := &aligner{old: old, new: new, base: base}
	a.emit = func(s step) error {
		n := s.mid - s.from
		if err := m.out.add(a.base+int64(s.pos), a.old[s.pos:s.pos+n], a.new[s.from:s.mid]); err != nil {
			return err
		}
		return m.out.insert(a.new[s.mid:s.to])
	}
	return a
}

// rests is what the runs leave of old and of new.
func rests(runs []run, oldSize, newSize int) (old, new []span) {
	for _, r := range runs {
		old = append(old, span{r.pos, r.pos + r.length})
		new = append(new, span{r.at, r.at + r.length})
	}
	slices.SortFunc(old, func(a, b span) int { return a.from - b.from })
	return rest(oldSize, old), rest(newSize, new)
}
