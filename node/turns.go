package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"selvage/internal/ident"
	"selvage/node/deploy"
	"selvage/node/sequence"
)

// turnTimeout bounds how long a node waits for the leader's answer: it asks again.
const turnTimeout = 2 * time.Second

// turns is this node's part in the sequence of changes in its site: it asks the leader, and answers when it leads.
type turns struct {
	n     *Node
	codec sequence.Codec

	mu    sync.Mutex
	epoch uint64 // the highest of a lease under which this node has answered, or was answered
	table sequence.Table
}

var _ deploy.Turns = (*turns)(nil)

func (n *Node) openTurns() error {
	codec, err := sequence.NewCodec()
	if err != nil {
		return err
	}
	n.turns = &turns{n: n, codec: codec}
	n.mesh.Handle(sequence.Protocol, n.turns.serve)
	return nil
}

var errNobodyLeads = errors.New("nobody leads the site, who would give it")

// Ask implements deploy.Turns. An answer under an older lease than one before is none.
func (t *turns) Ask(ctx context.Context, c sequence.Claim) (granted bool, why string, err error) {
	leader := t.n.lease().Holder
	if leader.IsZero() {
		return false, "", errNobodyLeads
	}
	var a sequence.Answer
	if leader == t.n.home.Node {
		var leads bool
		if _, a, leads = t.answer(leader, c); !leads {
			return false, "", errNobodyLeads
		}
	} else if a, err = t.askPeer(ctx, leader, c); err != nil {
		return false, "", fmt.Errorf("the leader of the site does not answer: %w", err)
	}
	return a.Go, t.because(a), nil
}

func (t *turns) askPeer(ctx context.Context, leader ident.NodeID, c sequence.Claim) (sequence.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	conn, err := t.n.mesh.Open(ctx, leader, sequence.Protocol)
	if err != nil {
		return sequence.Answer{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := t.codec.WriteClaim(conn, c); err != nil {
		return sequence.Answer{}, err
	}
	epoch, a, err := t.codec.ReadAnswer(conn)
	if err != nil {
		return sequence.Answer{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if epoch < t.epoch {
		return sequence.Answer{}, errors.New("it answers under a lease that has passed on")
	}
	t.epoch = epoch
	return a, nil
}

// serve answers a mate.
func (t *turns) serve(from ident.NodeID, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(t.n.ctx, func() { conn.Close() })()
	if !t.n.inSite(from) || conn.SetDeadline(time.Now().Add(turnTimeout)) != nil {
		return
	}
	c, err := t.codec.ReadClaim(conn)
	if err != nil {
		return // it asks again
	}
	if epoch, a, leads := t.answer(from, c); leads {
		_ = t.codec.WriteAnswer(conn, epoch, a) // likewise
	}
}

// answer answers a claim if this node leads: it looks at the lease last. A higher token alone is no new leader, who would have to hear of turns
// first: where many take locks it has one every few seconds.
func (t *turns) answer(from ident.NodeID, c sequence.Claim) (epoch uint64, a sequence.Answer, leads bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	epoch, first, leads := t.n.lead.Since()
	if !leads || epoch < t.epoch {
		return 0, a, false
	}
	now := t.n.lead.Now()
	if first > t.epoch {
		t.table.Lead(now)
	}
	t.epoch = epoch
	a = t.table.Ask(now, from, c)
	again, leads := t.n.lead.Fence()
	return epoch, a, leads && again == epoch
}

// because says whom a node waits for.
func (t *turns) because(a sequence.Answer) string {
	var names []string
	for _, id := range a.Ahead {
		names = append(names, t.n.called(id))
	}
	switch slices.Sort(names); len(names) {
	case 0:
		return "the leader of the site finds out who changes already"
	case 1:
		return names[0] + " changes before"
	}
	return strings.Join(names, ", ") + " change before"
}

// Patience implements deploy.Turns.
func (t *turns) Patience(c sequence.Claim, proof time.Duration) time.Duration {
	place := 0
	for _, m := range t.n.ledger.NodesOf(t.n.home.Site) {
		if m.Quarantined == "" && m.Node.Compare(t.n.home.Node) < 0 {
			place++
		}
	}
	return sequence.Patience(place, c, proof)
}
