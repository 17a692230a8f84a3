package ledger

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

func (f *feedState) live(scopes []string) bool {
	return (len(f.entries) > 0 || f.closed != nil) && slices.Contains(scopes, f.Scope)
}

// Frontier goes through how far this node has read each feed of the given scopes, in no order. The ledger is locked meanwhile:
// whoever does that must not call it.
func (l *Ledger) Frontier(scopes []string) iter.Seq2[string, Mark] {
	return func(yield func(string, Mark) bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for key, f := range l.shown.feeds {
			if f.live(scopes) && !yield(key, f.mark()) {
				return
			}
		}
	}
}

// Read returns the entries of a feed after a number, in order, as many as fit into max bytes but
// at least one if there is any. Of a forked feed the proof follows its entries, and then come
// those of other branches that are kept.
func (l *Ledger) Read(feed string, after uint64, max int) ([]Record, error) {
	slots, lane := l.slots(feed, after, max/minEntry+1)
	var out []Record
	size := 0
	for _, s := range slots {
		data, err := l.cfg.Log.Get(feed, s.seq)
		if errors.Is(err, ErrNotFound) && lane == Register {
			continue // replaced since
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStorage, err)
		}
		if size += len(data); size > max && len(out) > 0 {
			return out, nil
		}
		out = append(out, Record{feed, s.seq, data})
	}
	return out, nil
}

// minEntry is less than any entry takes up, bytes.
const minEntry = 128

// slots returns what comes after a number of a feed, at most max of it.
func (l *Ledger) slots(feed string, after uint64, max int) ([]slot, Lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.shown.feeds[feed]
	if f == nil {
		return nil, Durable
	}
	slots := f.after(after)
	return slices.Clone(slots[:min(len(slots), max)]), f.Lane
}
