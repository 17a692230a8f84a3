package distribute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"selvage/distribute/store"
)

var errWrongList = errors.New("its chunk list is another blob's, or damaged")

// mirrorList gets the chunk list from a mirror, once; it reports false if there is none to be had there. With the list, what older blobs
// have need not come, and the nodes of a site share the rest out. An error is this node's, or the
// release's.
func (t *task) mirrorList(m *mirror) (got bool, err error) {
	t.mu.Lock()
	asked := m.listed
	m.listed = true
	if !asked {
		m.name(t)
		t.wholeTold = time.Now() // so that no mate does the same
		t.tellTaking()
	}
	t.mu.Unlock()
	if asked {
		return false, nil
	}
	err = t.listOf(m)
	t.mu.Lock()
	t.wholeTold = time.Time{}
	t.tellTaking()
	t.mu.Unlock()
	switch {
	case err == nil:
		return true, nil
	case t.ctx.Err() != nil:
		return false, t.ctx.Err()
	case errors.Is(err, errLocal), errors.Is(err, store.ErrContradiction):
		return false, err
	case errors.Is(err, store.ErrDAG):
		t.complain(m, errWrongList)
	}
	return false, nil // it has none, or does not answer: the whole will show
}

func (t *task) listOf(m *mirror) error {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	stall := time.AfterFunc(wholeStall, cancel)
	defer stall.Stop()
	o := t.object
	body, err := m.List(ctx, o.Digest, store.MaxList(o.Size))
	if err != nil {
		return err
	}
	defer body.Close()
	nodes, err := store.DecodeNodes(&pulse{r: body, told: time.Now(), every: func(now time.Time) {
		stall.Reset(wholeStall)
		t.crosses(now)
		t.stillWhole(now)
	}})
	if err != nil {
		return err
	}
	if err = o.SetNodes(nodes); err != nil && !errors.Is(err, store.ErrDAG) {
		return fmt.Errorf("%w: %w", errLocal, err)
	}
	return err
}
