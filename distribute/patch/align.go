package patch

import "context"

const (
	lookMost = 1 << 10 // bytes in which places are compared
	worth    = 8       // bytes that a new place in old must agree in more than the one at hand, to be worth a step
	certain  = 64      // where the place at hand goes on that far, no other is looked for
)

// step says: add the bytes of new from from to mid to those of old from pos; take those from mid to
// to as they are.
type step struct{ from, mid, to, pos int }

// aligner walks through new and says which bytes of old each of its bytes may be told by. What is
// equal except for an address here and there is one step: so what lies between long equal runs
// costs the difference only. The walk and its rules are bsdiff's (Percival, Naive differences of
// executable code, 2003), with another index below them.
type aligner struct {
	old, new []byte
	base     int64 // of old in the applier's source
	seeds    *seeds
	runs     []run // that settle found, those that are behind taken off
	emit     func(step) error
}

// walk emits the steps that make new from from to to; each begins where the one before ended.
func (a *aligner) walk(ctx context.Context, from, to int) error {
	w := walker{aligner: a, to: to, scan: from, from: from, pos: min(from, len(a.old))}
	for w.scan < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.seek()
		if w.length == w.agreed && w.scan < to {
			continue // the place at hand is as good
		}
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

// walker is where a walk is.
type walker struct {
	*aligner
	to        int
	scan      int // new is looked at from here
	found     int // where in old the run begins that equals new at scan
	length    int // of that run
	agreed    int // bytes of the run's part of new in which the place at hand agrees too
	from, pos int // the current step: its first byte in new, and where that is in old
}

// slant is how far the old bytes of the step at hand are from the new.
func (w *walker) slant() int { return w.pos - w.from }

// same reports whether the place at hand has the byte of new at at.
func (w *walker) same(at int) bool {
	p := at + w.slant()
	return p >= 0 && p < len(w.old) && w.old[p] == w.new[at]
}

// seek goes on to where another place in old is better than the one at hand, or as good.
func (w *walker) seek() {
	w.scan += w.length
	w.agreed = 0
	counted := w.scan
	for ; w.scan < w.to; w.scan++ {
		w.look()
		counted = w.count(counted, w.scan+max(w.length, 1))
		if w.length == w.agreed && w.length != 0 || w.length > w.agreed+worth {
			return
		}
		if w.same(w.scan) {
			w.agreed--
		}
	}
	w.length = 0
}

// count adds to agreed for the bytes of new from from to to, and is how far has been counted.
func (w *walker) count(from, to int) int {
	if w.length > 0 && w.found-w.scan == w.slant() && from < to {
		w.agreed += to - from
		return to
	}
	for ; from < to; from++ {
		if w.same(from) {
			w.agreed++
		}
	}
	return from
}

// look sets found and length to the longest run in old that equals new from scan on.
func (w *walker) look() {
	b := w.new[w.scan:min(w.to, w.scan+lookMost)]
	here := w.scan + w.slant()
	w.found, w.length = here, 0
	if here >= 0 && here < len(w.old) {
		w.length = agree(w.old[here:], b)
	}
	if w.length >= certain {
		return
	}
	for len(w.runs) > 0 && w.runs[0].at+w.runs[0].length <= w.scan {
		w.runs = w.runs[1:]
	}
	if len(w.runs) > 0 && w.runs[0].at <= w.scan {
		r := w.runs[0]
		if n := min(r.at+r.length-w.scan, len(b)); n > w.length {
			w.found, w.length = r.pos+w.scan-r.at, n
			if n >= certain {
				return
			}
		}
	}
	if pos, n := w.seeds.longest(b, here); n > w.length {
		w.found, w.length = pos, n
	}
}

// step ends the step at hand and begins the next, at scan or some bytes before it.
func (w *walker) step() error {
	forward := w.forward()
	back := 0
	if w.scan < w.to {
		back = w.back()
	}
	if over := w.from + forward - (w.scan - back); over > 0 {
		keep := w.split(forward, back, over)
		forward -= over - keep
		back -= keep
	}
	next := w.scan - back
	err := w.emit(step{from: w.from, mid: w.from + forward, to: next, pos: w.pos})
	w.from, w.pos = next, w.found-back
	return err
}

// forward is how far the step at hand goes on with more bytes equal than not.
func (w *walker) forward() int {
	best, length, score := 0, 0, 0
	for i := 0; w.from+i < w.scan && w.pos+i < len(w.old); {
		if w.old[w.pos+i] == w.new[w.from+i] {
			score++
		}
		i++
		if 2*score-i > 2*best-length {
			best, length = score, i
		}
	}
	return length
}

// back is how far the next step can begin before scan with more bytes equal than not.
func (w *walker) back() int {
	best, length, score := 0, 0, 0
	for i := 1; w.scan-i >= w.from && w.found-i >= 0; i++ {
		if w.old[w.found-i] == w.new[w.scan-i] {
			score++
		}
		if 2*score-i > 2*best-length {
			best, length = score, i
		}
	}
	return length
}

// split is how many of the over bytes that both steps claim are better left to the first.
func (w *walker) split(forward, back, over int) int {
	best, keep, score := 0, 0, 0
	for i := range over {
		first, second := forward-over+i, i-back
		if w.new[w.from+first] == w.old[w.pos+first] {
			score++
		}
		if w.new[w.scan+second] == w.old[w.found+second] {
			score--
		}
		if score > best {
			best, keep = score, i+1
		}
	}
	return keep
}
