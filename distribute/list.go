package distribute

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"selvage/distribute/store"
	"selvage/internal/ident"
	"selvage/internal/patient"
)

// A chunk list is got over the uplink by the first in rank of the site; the n-th waits for n
// times this to get it from a neighbour instead.
const listTurn = 3 * time.Second

// How long a peer that did not give the list is let be: twice as long each time.
const (
	listRetry    = time.Second
	maxListRetry = 30 * time.Second
)

// list gets the chunk list, trying one peer after the other.
func (t *task) list() error {
	for t.object.Chunks() == nil {
		if n := t.lister(); n != nil {
			err := t.listFrom(n)
			if err == nil {
				continue
			}
			if !errors.Is(err, store.ErrDAG) && t.ctx.Err() != nil {
				return t.ctx.Err()
			}
			if errors.Is(err, errLocal) || errors.Is(err, store.ErrContradiction) {
				return err
			}
			t.swarm.misbehaved(n.id, err)
			t.refused(n, err)
		}
		if m := t.wholeMirror(t.turn()); m != nil {
			got, err := t.mirrorList(m)
			if err == nil && !got {
				err = t.whole(m)
			}
			if err != nil {
				return err
			}
			continue
		}
		t.seek()
		if err := t.wait(time.Now().Add(seekSoon/4), true); err != nil {
			return err
		}
	}
	return nil
}

// lister picks a peer that has the chunk list: one that refused least, and of these one of the
// site before any other.
func (t *task) lister() *neighbour {
	turn, waits := time.Duration(t.turn())*listTurn, t.givesWay(time.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var best *source
	for id, src := range t.sources {
		if t.bad[id] || !src.listed || now.Before(src.after) || !src.n.local && (waits || now.Sub(t.began) < turn) {
			continue
		}
		if best == nil || src.before(best) {
			best = src
		}
	}
	if best == nil {
		return nil
	}
	return best.n
}

func (src *source) before(o *source) bool {
	switch {
	case src.refused != o.refused:
		return src.refused < o.refused
	case src.n.local != o.n.local:
		return src.n.local
	}
	return src.n.id.Compare(o.n.id) < 0
}

// turn is this node's place among the mates that want the blob.
func (t *task) turn() int {
	mates := []ident.NodeID{t.swarm.cfg.Self}
	t.mu.Lock()
	for id, src := range t.sources {
		if src.n.local && src.wants && !src.whole {
			mates = append(mates, id)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(mates, func(a, b ident.NodeID) int {
		return cmp.Or(cmp.Compare(dutyHash(t.object.Digest, a), dutyHash(t.object.Digest, b)), a.Compare(b))
	})
	return slices.Index(mates, t.swarm.cfg.Self)
}

// refused lets another peer be picked; one that sent another list is not picked again.
func (t *task) refused(n *neighbour, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if errors.Is(err, store.ErrDAG) || misbehaviour(err) {
		t.bad[n.id] = true
	}
	if src := t.sources[n.id]; src != nil && src.n == n {
		src.refused++
		src.after = time.Now().Add(min(listRetry<<min(src.refused-1, 6), maxListRetry))
	}
	switch {
	case errors.Is(err, store.ErrOtherRoot):
		t.complainOf(n, fmt.Errorf("blob %.12s: %w", t.object.Digest, err))
	case !misbehaviour(err):
		t.gaveNothing(n)
	}
}

func dutyHash(d Digest, id ident.NodeID) uint64 {
	sum := sha256.Sum256(append(d[:], id[:]...))
	return binary.BigEndian.Uint64(sum[:])
}

// errLocal marks a failure of this node's own store.
var errLocal = errors.New("this node's store fails")

func (t *task) listFrom(n *neighbour) error {
	ctx, cancel := context.WithTimeout(t.ctx, askTimeout)
	conn, err := t.swarm.cfg.Network.Open(ctx, n.id, dagProtocol)
	cancel()
	if err != nil {
		return err
	}
	defer reset(conn)
	stop := context.AfterFunc(t.ctx, func() { reset(conn) })
	defer stop()
	if err := write(conn, t.object.Digest[:]); err != nil {
		return err
	}
	if !n.local {
		t.crosses(time.Now()) // what is asked for next
	}
	t.swarm.debug(n.id, "distribute: list request", t.object.Digest)
	r := &capped{patient.NewReader(conn, conn, func() patient.Pace { return patient.Pace{Slice: t.listPace(n), Time: patience} }), 1 + store.MaxList(t.object.Size)}
	var status [1]byte
	if _, err := io.ReadFull(r, status[:]); err != nil {
		return err
	}
	if status[0] > statusMissing {
		return fmt.Errorf("%w: status %d", errProtocol, status[0])
	}
	if status[0] != statusOK {
		return fmt.Errorf("chunk list: %w", store.ErrMissing)
	}
	nodes, err := t.object.ReadNodes(r)
	if err != nil {
		return err
	}
	if err := t.object.SetNodes(nodes); err != nil && !errors.Is(err, store.ErrDAG) {
		return fmt.Errorf("%w: %w", errLocal, err)
	} else if err != nil {
		return err
	}
	return nil
}

// capped reads at most room bytes.
type capped struct {
	in   io.Reader
	room int64
}

// How many bytes of a list have to come each patience: of one whose place another could take, what is little for a LAN, or for a link of
// 64 kbit/s; of others next to nothing.
const (
	patience     = 10 * time.Second
	localPace    = 64 << 10
	uplinkPace   = 16 << 10
	patientBytes = 4 << 10
)

// listPace is how fast a peer has to give the list: slower each time that it did not. Else, if all are slow, none would ever give it.
func (t *task) listPace(n *neighbour) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	src := t.sources[n.id]
	if src == nil {
		return patientBytes
	}
	for id, o := range t.sources {
		if o == src || t.bad[id] || !o.listed || o.refused > src.refused {
			continue
		}
		pace := uplinkPace
		if n.local {
			pace = localPace
		}
		return max(patientBytes, pace>>min(2*src.refused, 8))
	}
	return patientBytes
}

var errTooLong = fmt.Errorf("%w: longer than any of a blob of this size", store.ErrDAG)

func (c *capped) Read(p []byte) (int, error) {
	if c.room <= 0 {
		return 0, errTooLong
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.room)])
	c.room -= int64(n)
	return n, err
}
