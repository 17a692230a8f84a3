package distribute

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"selvage/distribute/store"
	"selvage/internal/ident"
)

// A chunk list is got over the uplink by the first in rank of the site; the n-th waits for n
// times this to get it from a neighbour instead.
const listTurn = 3 * time.Second

// list gets the chunk list, trying one peer after the other.
func (t *task) list() error {
	looked := time.Now()
	for t.object.Chunks() == nil {
		if n := t.lister(); n != nil {
			err := t.listFrom(n)
			if err == nil {
				continue
			}
			if !errors.Is(err, store.ErrDAG) && t.ctx.Err() != nil {
				return t.ctx.Err()
			}
			if errors.Is(err, errLocal) {
				return err
			}
			t.swarm.misbehaved(n.id, err)
			t.forget(n.id, errors.Is(err, store.ErrDAG))
		}
		if time.Since(looked) > providerPause {
			t.seekProviders()
			looked = time.Now()
		}
		if err := t.wait(time.Now().Add(providerPause/4), true); err != nil {
			return err
		}
	}
	return nil
}

// lister picks a peer that has the chunk list: one of the site before any other.
func (t *task) lister() *neighbour {
	turn := time.Duration(t.turn()) * listTurn
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *source
	for _, src := range t.sources {
		if src.bad || !src.whole && src.bitmap == nil || !src.n.local && time.Since(t.began) < turn {
			continue
		}
		if best == nil || better(src.n, best.n) {
			best = src
		}
	}
	if best == nil {
		return nil
	}
	return best.n
}

func better(a, b *neighbour) bool {
	if a.local != b.local {
		return a.local
	}
	return a.id.Compare(b.id) < 0
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

// forget lets another peer be picked; one that sent a wrong list is not picked again.
func (t *task) forget(id ident.NodeID, bad bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if src := t.sources[id]; src != nil {
		src.bad = src.bad || bad
		if !bad {
			src.whole, src.bitmap = false, nil
			src.n.push(message{kind: msgWant, digest: t.object.Digest}) // it will say again what it has
		}
	}
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
	defer conn.Close()
	stop := context.AfterFunc(t.ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(t.object.Digest[:]); err != nil {
		return err
	}
	r := &patient{conn: conn}
	var status [1]byte
	if _, err := io.ReadFull(r, status[:]); err != nil {
		return err
	}
	if status[0] != statusOK {
		return fmt.Errorf("chunk list: %w", store.ErrMissing)
	}
	nodes, err := store.DecodeNodes(r)
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

// patient reads with a deadline that each read sets anew, so that slow is told from stuck.
type patient struct{ conn net.Conn }

const patience = 30 * time.Second

func (p *patient) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}
