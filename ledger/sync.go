package ledger

import (
	"crypto/sha256"
	"maps"
	"slices"
)

// Root returns a digest of all feeds of the given scopes: equal on nodes that hold the same
// entries of them. It costs a hash over all feeds.
func (l *Ledger) Root(scopes []string) [sha256.Size]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(l.feeds)) {
		if f := l.feeds[key]; f.live(scopes) {
			b = append(b, key...)
			b = f.mark().appendTo(append(b, 0))
		}
	}
	return sha256.Sum256(b)
}

func (f *feedState) live(scopes []string) bool {
	return len(f.entries) > 0 && slices.Contains(scopes, f.Scope)
}

// Frontier returns how far this node has read each feed of the given scopes.
func (l *Ledger) Frontier(scopes []string) map[string]Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]Mark, len(l.feeds))
	for key, f := range l.feeds {
		if f.live(scopes) {
			out[key] = f.mark()
		}
	}
	return out
}

// Read returns the entries of a feed after a number, in order, as many as fit into max bytes but
// at least one if there is any; of a forked feed, after its entries, the proof.
func (l *Ledger) Read(feed string, after uint64, max int) ([]Record, error) {
	l.mu.Lock()
	f := l.feeds[feed]
	if f == nil {
		l.mu.Unlock()
		return nil, nil
	}
	entries := slices.Clone(f.after(after))
	proof := f.proof
	l.mu.Unlock()
	var out []Record
	size := 0
	for _, s := range entries {
		data, err := l.cfg.Log.Get(feed, s.seq)
		if err != nil {
			if f.Lane == Register {
				continue // replaced since
			}
			return nil, err
		}
		if size += len(data); size > max && len(out) > 0 {
			return out, nil
		}
		out = append(out, Record{feed, s.seq, data})
	}
	if proof != nil && after < forkedMark.Seq {
		out = append(out, Record{feed, forkedMark.Seq, proof})
	}
	return out, nil
}

// after returns the entries with higher numbers.
func (f *feedState) after(seq uint64) []slot {
	i, _ := slices.BinarySearchFunc(f.entries, seq+1, func(s slot, seq uint64) int { return compareSeq(s.seq, seq) })
	return f.entries[i:]
}
