package node

import (
	"errors"
	"sync"
	"time"

	"selvage/internal/ident"
	"selvage/internal/mutant"
)

// How long a node that goes on after a restart waits, before it writes, to hear what it wrote.
const (
	holdFirst   = 2 * time.Second  // if it knows of no other node
	holdApart   = 10 * time.Second // while it is connected to nobody of whom it could hear
	holdMet     = time.Minute      // though it is: an exchange may take its time, or come to nothing
	holdRecheck = time.Second
)

var (
	errHeld = errors.New("this node has just started and has not heard yet what it wrote before")
	errDown = errors.New("this node is stopping")
)

// hold keeps a node that goes on after a restart from writing into its feeds before it has heard what it wrote: if it was restored
// from an old backup, others hold entries with the numbers that it would use, and it would be put out for a fork. A mate knows all
// that the node wrote and was told; other sites do not know what it wrote for its own.
type hold struct {
	over chan struct{} // closed when the node may write
	news chan struct{} // holds one

	mu        sync.Mutex
	near, far bool // a whole session with a node of the site, or of another, has run to its end
}

// newHold makes a hold that is over already where there is nothing to wait for.
func newHold(wait bool) *hold {
	h := &hold{over: make(chan struct{}), news: make(chan struct{}, 1)}
	if !wait || mutant.On(mutant.WriteUnheard) {
		close(h.over)
	}
	return h
}

// held reports whether the node has to wait still.
func (h *hold) held() bool {
	select {
	case <-h.over:
		return false
	default:
		return true
	}
}

// synced notes a session. It never blocks.
func (h *hold) synced(_ ident.NodeID, local bool) {
	h.mu.Lock()
	h.near, h.far = h.near || local, h.far || !local
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default: // it is about to look
	}
}

func (h *hold) heard() (near, far bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.near, h.far
}

// listen ends the hold when this node has heard what it wrote, or nobody is there to tell it.
func (n *Node) listen() {
	t := time.NewTimer(holdFirst)
	defer t.Stop()
	for n.toListen(time.Since(n.started)) {
		select {
		case <-n.ctx.Done():
			return
		case <-n.hold.news:
		case <-t.C:
			t.Reset(holdRecheck)
		}
	}
	near, far := n.hold.heard()
	n.log.Info("node: writes", "heard_in_site", near, "heard_elsewhere", far)
	close(n.hold.over)
}

// toListen reports whether this node, so long after its start, has still to wait.
func (n *Node) toListen(since time.Duration) bool {
	near, far := n.hold.heard()
	mates, others := n.others()
	switch {
	case near, far && !mates, since >= holdMet:
		return false
	case since >= holdFirst && !mates && !others:
		return false
	case since < holdApart:
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, local := range n.local {
		if local || !far {
			return true // it is about to tell
		}
	}
	return false
}

// others reports whether the fleet has other nodes in this node's site, and in other sites, as far as this one knows.
func (n *Node) others() (mates, elsewhere bool) {
	at := n.ledger.NodesOf(n.home.Site)
	for _, m := range at {
		mates = mates || m.Node != n.home.Node && m.Quarantined == ""
	}
	return mates, n.ledger.Size() > len(at)
}
