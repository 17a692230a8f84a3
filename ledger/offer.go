package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// Record is an entry on its way from node to node.
type Record struct {
	Feed string // Feed.Key
	Seq  uint64
	Data []byte // the entry, or a proof that its feed is forked
}

// Outcome is what became of a record.
type Outcome int

// The outcomes.
const (
	Stored   Outcome = iota // new, and durable now
	Known                   // had it, or something newer in its place
	Waiting                 // cannot be judged yet
	Rejected                // wrong; the error says how
)

// Offer takes one record from another node.
func (l *Ledger) Offer(r Record) (Outcome, error) {
	outcomes, errs := l.OfferAll([]Record{r})
	return outcomes[0], errs[0]
}

// OfferAll takes records in order and stores them at once. It returns an outcome and, for those
// Rejected, an error for each: ErrMalformed or ErrSignature, whoever sends it. If storing fails,
// nothing was taken, every one is Rejected, and the errors are ErrStorage.
func (l *Ledger) OfferAll(records []Record) ([]Outcome, []error) {
	outcomes, errs := make([]Outcome, len(records)), make([]error, len(records))
	err := l.change(func(t *transaction) error {
		for i, r := range records {
			if outcomes[i], errs[i] = l.offer(t, r); errors.Is(errs[i], ErrStorage) {
				return errs[i]
			}
		}
		if err := l.settle(t); err != nil {
			return err
		}
		for i, r := range records {
			if outcomes[i] == Waiting && l.holds(t, r.Feed, r.Seq, sha256.Sum256(r.Data)) {
				outcomes[i] = Stored // what it waited for came later in the batch
			}
		}
		return nil
	})
	if err != nil {
		for i := range records {
			outcomes[i], errs[i] = Rejected, err
		}
	}
	return outcomes, errs
}

func (l *Ledger) holds(t *transaction, feed string, seq uint64, hash [sha256.Size]byte) bool {
	f := l.feed(t, feed)
	return f != nil && f.holds(seq, hash)
}

// offer judges one record and takes it into memory and the transaction's batch.
func (l *Ledger) offer(t *transaction, r Record) (Outcome, error) {
	hash := sha256.Sum256(r.Data)
	if l.holds(t, r.Feed, r.Seq, hash) {
		return Known, nil // saves checking a signature again
	}
	x, err := l.read(r, hash)
	if err != nil {
		return Rejected, err
	}
	return l.judge(t, x)
}

// read checks a record by itself.
func (l *Ledger) read(r Record, hash [sha256.Size]byte) (waiter, error) {
	x := waiter{rec: r, hash: hash, proof: isProof(r.Data)}
	var err error
	if x.proof {
		x.entry, err = l.codec.decodeProof(r.Data)
	} else {
		var s shelved
		s, err = l.decode(r.Data, hash)
		x.entry, x.rec.Data = s.entry, s.data
	}
	switch {
	case err != nil:
		return waiter{}, err
	case x.entry.Fleet != l.cfg.Fleet:
		return waiter{}, fmt.Errorf("%w: of another fleet", ErrMalformed)
	case r.Feed != x.entry.feedKey(), x.proof != (r.Seq == proofSeq), r.Seq < proofSeq && r.Seq != x.entry.Seq:
		return waiter{}, fmt.Errorf("%w: not the entry that it was sent as", ErrMalformed)
	case r.Seq > proofSeq:
		x.rec.Seq = x.entry.Seq // the sender's feed is closed, and numbers what it keeps as it likes
	}
	x.rec.Feed = x.entry.feedKey() // the same text for all of the feed
	return x, nil
}

// judge decides what becomes of a record that is right by itself.
func (l *Ledger) judge(t *transaction, x waiter) (Outcome, error) {
	f := l.feed(t, x.rec.Feed)
	if f == nil {
		f = newFeed(x.entry.Feed(), x.rec.Feed)
	}
	switch {
	case x.proof && l.fold.members[x.entry.Author] == nil, !x.proof && !l.fold.believes(x.entry):
		l.waiting.add(x)
		return Waiting, nil
	case x.proof && f.closed != nil:
		return Known, nil // one proof will do
	case x.proof:
		return Stored, l.close(t, f, x.rec.Data)
	case f.closed != nil:
		return l.placeBranch(t, f, x)
	}
	return l.place(t, f, x)
}

// place puts a judged entry into its feed.
func (l *Ledger) place(t *transaction, f *feedState, x waiter) (Outcome, error) {
	e, last := x.entry, f.last()
	old, taken := f.find(e.Seq)
	switch {
	case taken && old.hash == x.hash:
		return Known, nil
	case taken:
		return l.fork(t, f, old, x)
	case f.superseded(e):
		return Known, nil
	case f.Lane.linked() && e.Seq > last.seq+1:
		l.waiting.add(x)
		return Waiting, nil
	case f.Lane.linked() && last.seq > 0 && string(e.Prev) != string(last.hash[:]):
		return l.fork(t, f, last, x)
	}
	l.take(t, f, x)
	return Stored, nil
}

// take stores an entry that fits.
func (l *Ledger) take(t *transaction, f *feedState, x waiter) {
	e := x.entry
	f = t.edit(f)
	for _, seq := range f.put(slot{seq: e.Seq, hash: x.hash}, e.Key) {
		t.remove(f.key, seq)
		l.fold.forget(f.Feed, seq)
	}
	t.store(Record{f.key, e.Seq, x.rec.Data})
	if e.Kind == KindBeacon {
		t.beacons++
	}
	l.observe(e)
	_, known := l.fold.members[e.Author]
	l.fold.add(e, l.cfg.Now())
	switch {
	case !known:
		t.retry = append(t.retry, l.waiting.takeAuthor(e.Author)...)
	case f.Lane.linked():
		t.retry = append(t.retry, l.waiting.takeReady(f.Feed, e.Seq)...)
	}
}

// fork closes a feed for an entry that contradicts one in it, and then sees what the entry says.
func (l *Ledger) fork(t *transaction, f *feedState, old slot, x waiter) (Outcome, error) {
	mine, err := l.entryBytes(t, f.key, old.seq)
	if err != nil {
		return Rejected, err
	}
	if sha256.Sum256(mine) != old.hash {
		l.rotten(f.key, old.seq)
		return Waiting, nil // with what went bad nobody believes the proof; those who hold it whole will have one
	}
	if err := l.close(t, f, encodeProof(mine, x.rec.Data, old.seq == x.entry.Seq)); err != nil {
		return Rejected, err
	}
	_, err = l.placeBranch(t, t.edit(f), x)
	return Stored, err
}

// close ends a forked feed: its author is quarantined, the proof is what others are given of it,
// and nothing more is taken into it but what operators say.
func (l *Ledger) close(t *transaction, f *feedState, proof []byte) error {
	f = t.edit(f)
	f.closed = newClosedFeed(sha256.Sum256(proof))
	l.fold.fork(f.Author)
	t.store(Record{f.key, proofSeq, proof})
	t.retry = append(t.retry, l.waiting.takeFeed(f.Feed)...)
	l.cfg.Logger.Error("ledger: a node has forked its feed", "node", f.Author)
	return l.gather(t, f)
}

// placeBranch takes an entry of a closed feed if operators say something in it that is news.
func (l *Ledger) placeBranch(t *transaction, f *feedState, x waiter) (Outcome, error) {
	if f.holds(x.entry.Seq, x.hash) || !vouched(x.entry.Kind) {
		return Known, nil
	}
	words, more := l.fold.vouch(x.entry)
	f = t.edit(f)
	switch {
	case f.closed.learn(words):
		t.store(Record{f.key, f.closed.keep(x.hash), x.rec.Data})
		return Stored, nil
	case more:
		l.waiting.add(x)
		return Waiting, nil
	}
	return Known, nil
}

// gather finds what operators say in what is kept of a closed feed. It is called when the feed is
// closed, and again when the chain of charters has grown.
func (l *Ledger) gather(t *transaction, f *feedState) error {
	f = t.edit(f)
	for _, s := range f.after(0) {
		if s.seq == proofSeq {
			continue
		}
		data, err := l.entryBytes(t, f.key, s.seq)
		if err != nil {
			return err
		}
		e, err := l.codec.parse(data)
		if err != nil {
			return failed(fmt.Errorf("entry %d of %v: %w", s.seq, f.Feed, err))
		}
		if vouched(e.Kind) {
			words, _ := l.fold.vouch(e)
			f.closed.learn(words)
		}
	}
	return nil
}

// entryBytes reads an entry that may still be in the transaction.
func (l *Ledger) entryBytes(t *transaction, feed string, seq uint64) ([]byte, error) {
	for _, item := range t.batch.Put {
		if item.Feed == feed && item.Seq == seq {
			return item.Data, nil
		}
	}
	data, err := l.cfg.Log.Get(feed, seq)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return data, nil
}
