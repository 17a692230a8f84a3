package distribute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"selvage/distribute/planner"
	"selvage/distribute/store"
)

// While nobody has a blob's chunk list, one node of the site gets the whole blob from a mirror, from its beginning on, and
// makes the list itself. The nodes that want it have turns, as for the list; whoever is at it tells the others that it
// takes the first chunk, which every blob has.

const (
	// A mate that said that it gets the whole is believed for as long as it says so again and again, but for no longer than it takes at
	// wholeSlowest, half of what 64 kbit/s carry: before it has the whole, nobody can see that anything comes.
	wholeClaim   = 30 * time.Second
	wholeTell    = 5 * time.Second
	wholeSlowest = 4 << 10 // bytes a second

	wholeBuffer = 64 << 10 // bytes
	// wholeStall is how long a mirror may take for planner.SignBytes.
	wholeStall = time.Minute
)

var wholeRun = []planner.Run{{First: 0, Count: 1}}

// wholeMirror picks the mirror from which the whole blob is to be got now; nil if it is not this node's to do. The turn
// is this node's place among the mates that want it.
func (t *task) wholeMirror(turn int) *mirror {
	shut := t.shut(time.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, src := range t.sources {
		if src.listed && !t.bad[src.n.id] && src.refused < wholeRefusals {
			t.unlisted = now
		}
	}
	if t.mateGetsWhole(turn, now) {
		return nil
	}
	if shut {
		t.unlisted = now
	}
	if now.Sub(t.unlisted) < planner.MirrorPatience*time.Duration(1+turn) {
		return nil
	}
	var best *mirror
	for _, m := range t.mirrors {
		if !t.bad[m.id] && !now.Before(m.after) && (best == nil || m.rests < best.rests) {
			best = m
		}
	}
	return best
}

// mateGetsWhole reports whether a mate is taken to be getting the whole. When one has said so for too long, they go on without it by turns.
// The caller holds mu.
func (t *task) mateGetsWhole(turn int, now time.Time) (gets bool) {
	most := wordsMost + time.Duration(t.object.Size/wholeSlowest)*time.Second + planner.MirrorPatience*time.Duration(turn)
	since := min(now.Sub(t.wholeLooked), wholeClaim)
	t.wholeLooked = now
	for id, src := range t.sources {
		if src.n.local && len(src.takes) > 0 && now.Sub(src.took) < wholeClaim {
			t.wholeWaited[id] += since
			gets = gets || t.wholeWaited[id] < most
		}
	}
	return gets
}

// wholeRefusals is how often a peer that claims to have the chunk list may not give it before it does not count.
const wholeRefusals = 3

// whole gets the whole blob, or more of it, from a mirror. It ends early when a peer has the chunk list. An error is this
// node's, or the release's.
func (t *task) whole(m *mirror) error {
	p, err := t.object.Prefix()
	if err != nil {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	defer p.Close()
	if p.Len() == 0 {
		t.beganBy = m
	} else if t.beganBy != m {
		t.beganBy = nil
	}
	err = t.wholeFrom(m, p)
	if err == nil {
		err = t.finishWhole(p)
	}
	t.wholeEnded(m, err)
	switch {
	case err == nil, errors.Is(err, errListed):
		return nil
	case t.ctx.Err() != nil:
		return t.ctx.Err()
	case errors.Is(err, errLocal), errors.Is(err, store.ErrCorrupt) && !store.WrongBytes(err):
		return err
	}
	if !store.WrongBytes(err) || t.beganBy == m {
		t.complain(m, err)
	}
	return nil
}

// finishWhole makes the blob of what came.
func (t *task) finishWhole(p *store.Prefix) error {
	err := p.Finish(t.ctx)
	if err == nil || errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrDamaged) || t.ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errLocal, err)
}

// wholeEnded tells mates that this node is not at it any more, and has a mirror rest that failed. One that gave all of a wrong blob is
// not asked again; if others gave some of it too, it is begun anew, with no blame.
func (t *task) wholeEnded(m *mirror, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wholeTold = time.Time{}
	t.tellTaking()
	switch {
	case err == nil:
	case store.WrongBytes(err):
		t.bad[m.id] = t.beganBy == m
	default:
		m.rests++
		m.after = time.Now().Add(min(listRetry<<min(m.rests-1, 6), 2*maxListRetry))
	}
}

var errListed = errors.New("a peer has the chunk list")

// wholeFrom gets what is missing at the end.
func (t *task) wholeFrom(m *mirror, p *store.Prefix) error {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	stall := time.AfterFunc(wholeStall, func() { cancel(errSlow) })
	defer stall.Stop()
	t.mu.Lock()
	m.name(t)
	t.wholeTold = time.Now()
	t.tellTaking()
	t.mu.Unlock()
	o := t.object
	if p.Len() == o.Size {
		return nil
	}
	body, err := m.Read(ctx, o.Digest, o.Size, p.Len(), o.Size-p.Len())
	if err != nil {
		return whyEnded(ctx, err)
	}
	defer body.Close()
	r := &pulse{r: body, told: time.Now(), every: func(now time.Time) {
		stall.Reset(wholeStall)
		t.crosses(now)
		t.stillWhole(now)
		if t.lister() != nil {
			cancel(errListed)
		}
		t.seek()
	}}
	buf := make([]byte, wholeBuffer)
	for p.Len() < o.Size {
		for t.shut(time.Now()) && ctx.Err() == nil {
			stall.Reset(wholeStall)
			sleep(ctx, lookAgain)
		}
		n, err := r.Read(buf[:min(wholeBuffer, o.Size-p.Len())])
		t.mirrorBytes(n)
		if _, werr := p.Write(buf[:n]); werr != nil {
			return fmt.Errorf("%w: %w", errLocal, werr)
		}
		if err != nil && p.Len() < o.Size {
			return whyEnded(ctx, err)
		}
	}
	return nil
}

// whyEnded returns why a context has ended, if it has; else the error.
func whyEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// stillWhole has mates told again, now and then, that this node is getting the whole.
func (t *task) stillWhole(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.wholeTold) >= wholeTell {
		t.wholeTold = now
		t.tellTaking()
	}
}

// tellTaking has mates told what is taken over the uplink. The caller holds mu.
func (t *task) tellTaking() {
	for _, src := range t.sources {
		src.n.tellTaking(t.object.Digest, t.class() > Later)
	}
}
