package node

import (
	"errors"
	"fmt"
	"iter"

	"selvage/gossip"
	"selvage/internal/ident"
	"selvage/internal/lock"
	"selvage/ledger"
	"selvage/ledger/trust"
)

// feeds lets gossip replicate the ledger. All changes of the ledger go through it, one at a time,
// so that it can tell for each stored entry which peer it came from.
type feeds struct {
	ledger *ledger.Ledger
	site   string
	hold   *hold
	down   <-chan struct{} // closed when the node stops

	mu   lock.Mutex
	from ident.NodeID // of the change that is under way; guarded by mu, read by origin within it
}

var _ gossip.Log = (*feeds)(nil)

// publish writes an entry of this node. It waits while the node is held.
func (f *feeds) publish(kind ledger.Kind, scope, key string, body []byte) (*ledger.Entry, error) {
	select {
	case <-f.hold.over:
	case <-f.down:
		return nil, errDown
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from = ident.NodeID{}
	return f.ledger.Publish(kind, scope, key, body)
}

// learn takes charters that did not come as entries.
func (f *feeds) learn(charters []trust.Envelope) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from = ident.NodeID{}
	return f.ledger.Learn(charters)
}

// Offer implements gossip.Log. What is of another site is rejected: no honest peer has it to send, and it would be kept though no
// session ever shows it.
func (f *feeds) Offer(from ident.NodeID, rs []gossip.Record) ([]gossip.Outcome, []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from = from
	out, errs := make([]gossip.Outcome, len(rs)), make([]error, len(rs))
	var records []ledger.Record
	var at []int // where they are among rs
	for i, r := range rs {
		if feed, err := ledger.ParseFeed(r.Feed); err == nil && feed.Scope != "" && feed.Scope != f.site {
			out[i], errs[i] = gossip.Rejected, fmt.Errorf("%w: of site %s, not of this one", ledger.ErrMalformed, feed.Scope)
			continue
		}
		records, at = append(records, ledger.Record(r)), append(at, i)
	}
	outcomes, wrong := f.ledger.OfferAll(records)
	for j, i := range at {
		out[i], errs[i] = gossipOutcome(outcomes[j]), wrong[j]
		if errs[i] != nil && !errors.Is(errs[i], ledger.ErrMalformed) && !errors.Is(errs[i], ledger.ErrSignature) {
			errs[i] = fmt.Errorf("%w: %w", gossip.ErrNotStored, errs[i])
		}
	}
	return out, errs
}

func gossipOutcome(o ledger.Outcome) gossip.Outcome {
	switch o {
	case ledger.Stored:
		return gossip.Stored
	case ledger.Known:
		return gossip.Known
	case ledger.Waiting:
		return gossip.Waiting
	}
	return gossip.Rejected
}

// origin returns whom the entry that is being told of came from; the zero ID for this node. It is
// called by OnStored's function, which runs within publish, learn or Offer.
func (f *feeds) origin() ident.NodeID { return f.from }

// scopes are what a peer may see.
func (f *feeds) scopes(local bool) []string {
	if local {
		return []string{"", f.site}
	}
	return []string{""}
}

// Root implements gossip.Log.
func (f *feeds) Root(local bool) [32]byte { return f.ledger.Root(f.scopes(local)) }

// Frontier implements gossip.Log.
func (f *feeds) Frontier(local bool) iter.Seq2[string, gossip.Mark] {
	return func(yield func(string, gossip.Mark) bool) {
		for feed, m := range f.ledger.Frontier(f.scopes(local)) {
			if !yield(feed, gossip.Mark(m)) {
				return
			}
		}
	}
}

// Read implements gossip.Log.
func (f *feeds) Read(feed string, after uint64, maxBytes int) ([]gossip.Record, error) {
	records, err := f.ledger.Read(feed, after, maxBytes)
	out := make([]gossip.Record, len(records))
	for i, r := range records {
		out[i] = gossip.Record(r)
	}
	return out, err
}

// Urgent implements gossip.Log.
func (f *feeds) Urgent(feed string) bool { return ledger.Overtakes(feed) }

// Site implements gossip.Log.
func (f *feeds) Site(feed string) bool {
	parsed, err := ledger.ParseFeed(feed)
	return err != nil || parsed.Scope != ""
}
