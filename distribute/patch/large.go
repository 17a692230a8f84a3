package patch

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// A file that is larger than a window is walked through from its beginning: long runs that old has, wherever, are copied; what is
// between them is cut into pieces, each told against the stretch of old that is most like it. So what is held in memory does not
// grow with the files.

// scale says how finely new is looked at; tests have small ones.
type scale struct {
	piece   int   // bytes of new that are told at a time
	stretch int64 // bytes of old that they are told against
	run     int64 // equal bytes that are worth a copy of their own
	part    int64 // bytes of new that are looked at for such a run at a time
	probe   int   // bytes of new in which one place is looked at closely
	zeros   uint  // one in 2 to the power of zeros shingles is known by
}

var (
	stepScale  = scale{piece: 32 << 20, stretch: 64 << 20, run: 1 << 20, part: 1 << 20, probe: 32 << 10, zeros: 10}
	referScale = scale{piece: maxPiece, stretch: maxReference, run: 1 << 20, part: 1 << 20, probe: 32 << 10, zeros: 10}
)

// stroll is a walk through new.
type stroll struct {
	scale
	old, new File
	places   *places
	at       int64 // of new, told so far
	slant    int64 // how far the old bytes of the last copy are from the new

	copy func(r stretch) error
	tell func(piece, from stretch) error // pos and length of from: of old; it may have none
}

// stretch is length bytes of new, from at, or of old, from pos; for a copy they are equal.
type stretch struct{ at, pos, length int64 }

func (m *stroll) walk(ctx context.Context) error {
	for m.at < m.new.Size {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

// next tells the next piece of new, and the long run that ends it, if one does.
func (m *stroll) next() error {
	var hits []hit
	end, r, err := m.at, stretch{}, error(nil)
	for ; end < m.new.Size && end-m.at < int64(m.piece) && r.length == 0; end += m.part {
		part, err := read(m.new, end, min(m.part, m.new.Size-end))
		if err != nil {
			return fmt.Errorf("read new: %w", err)
		}
		found := m.places.find(part, end)
		if r, err = m.longRun(found); err != nil {
			return err
		}
		hits = append(hits, found...)
	}
	end = min(end, m.at+int64(m.piece), m.new.Size)
	if r.length > 0 {
		end = r.at
	}
	if end > m.at {
		err = m.tell(stretch{at: m.at, length: end - m.at}, m.likest(hits, end))
	}
	if m.at = end; err != nil || r.length == 0 {
		return err
	}
	m.at, m.slant = r.at+r.length, r.pos-r.at
	return m.copy(r)
}

// longRun is the first run of new that is worth a copy and begins near one of the hits, or where the last would go on; none
// has no length.
func (m *stroll) longRun(hits []hit) (stretch, error) {
	tried := int64(-1)
	for _, h := range append([]hit{{m.at, m.at + m.slant}}, hits...) {
		if tried >= 0 && h.at > m.at && h.at < tried+int64(m.probe) || h.pos < 0 || h.pos >= m.old.Size {
			continue
		}
		tried = h.at
		if r, err := m.extend(h); err != nil || r.length >= m.run {
			return r, err
		}
	}
	return stretch{}, nil
}

// extend is the longest run around a hit that begins where new is told up to, at the earliest.
func (m *stroll) extend(h hit) (stretch, error) {
	n, err := m.agree(h.at, h.pos, min(m.new.Size-h.at, m.old.Size-h.pos), false)
	if err != nil || n == 0 {
		return stretch{}, err
	}
	back, err := m.agree(h.at, h.pos, min(h.at-m.at, h.pos), true)
	return stretch{h.at - back, h.pos - back, back + n}, err
}

// agree is how many of most bytes are equal from at in new and pos in old on, or back from there.
func (m *stroll) agree(at, pos, most int64, back bool) (n int64, err error) {
	for size := int64(1 << 10); n < most; size = min(2*size, scanned) {
		size = min(size, most-n)
		from := n
		if back {
			from = -n - size
		}
		a, err := read(m.new, at+from, size)
		if err != nil {
			return 0, fmt.Errorf("read new: %w", err)
		}
		b, err := read(m.old, pos+from, size)
		if err != nil {
			return 0, fmt.Errorf("read old: %w", err)
		}
		if back {
			slices.Reverse(a)
			slices.Reverse(b)
		}
		k := int64(agree(a, b))
		if n += k; k < size {
			return n, nil
		}
	}
	return n, nil
}

// likest is the stretch of old in which most of the hits before end are, or else where the last run would go on, with about as much
// around it as is to be told.
func (m *stroll) likest(hits []hit, end int64) stretch {
	var all []int64
	for _, h := range append([]hit{{m.at, m.at + m.slant}}, hits...) {
		if h.at < end && h.pos >= 0 && h.pos < m.old.Size {
			all = append(all, h.pos)
		}
	}
	if len(all) == 0 {
		return stretch{}
	}
	slices.Sort(all)
	margin := min(m.stretch/16, end-m.at+leastMargin)
	most := min(m.stretch-2*margin, 2*(end-m.at)) // what is spread further has little to do with it
	first, best := 0, all[:1]
	for i := range all {
		for all[i]-all[first] > most {
			first++
		}
		if i+1-first > len(best) {
			best = all[first : i+1]
		}
	}
	from := max(0, best[0]-margin)
	return stretch{pos: from, length: min(best[len(best)-1]+margin, m.old.Size) - from}
}

const leastMargin = 64 << 10 // bytes around what a piece has in common with old

// survey is how many bytes of new are in no long run.
func (m stroll) survey(ctx context.Context) (told int64, err error) {
	m.copy = func(stretch) error { return nil }
	m.tell = func(piece, _ stretch) error {
		told += piece.length
		return nil
	}
	return told, m.walk(ctx)
}

// largeMost is how many bytes of new may be told by steps, which takes some 0.7 s of a core for each MB; more are told by references.
const largeMost = 256 << 20

// makeLarge is Make for larger files.
func makeLarge(ctx context.Context, old, new File, w io.Writer) error {
	return makeScaled(ctx, old, new, w, stepScale, referScale, largeMost)
}

func makeScaled(ctx context.Context, old, new File, w io.Writer, byStep, byReference scale, most int64) error {
	known, err := newPlaces(ctx, old, byStep.zeros)
	if err != nil {
		return fmt.Errorf("read old: %w", err)
	}
	s := stroll{scale: byStep, old: old, new: new, places: known}
	told, err := s.survey(ctx)
	if err != nil {
		return err
	}
	if told > most {
		s.scale = byReference
		return refer(ctx, s, w)
	}
	return steps(old, new, w, func(m *maker) error {
		s.copy = func(r stretch) error { return m.out.copy(r.pos, r.length) }
		s.tell = func(piece, from stretch) error { return m.tell(ctx, old, new, piece, from) }
		return s.walk(ctx)
	})
}
