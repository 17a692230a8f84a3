package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"selvage/internal/ident"
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

// transaction is one change of the ledger: what is stored at once, and told of after that.
type transaction struct {
	batch Batch
	tell  []Record
	retry []Record // records that waited and may be judged now
	news  bool     // the answers to queries have changed
}

// Offer takes one record from another node.
func (l *Ledger) Offer(r Record) (Outcome, error) {
	outcomes, errs := l.OfferAll([]Record{r})
	return outcomes[0], errs[0]
}

// OfferAll takes records in order and stores them at once. It returns an outcome and, for those
// Rejected, an error for each. If storing fails, nothing was taken and every one is Rejected.
func (l *Ledger) OfferAll(records []Record) ([]Outcome, []error) {
	outcomes, errs := make([]Outcome, len(records)), make([]error, len(records))
	err := l.change(func(t *transaction) error {
		for i, r := range records {
			outcomes[i], errs[i] = l.offer(t, r)
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

// change runs f, stores what it changed, and tells of it. If f or the storing fails, what is in
// memory is made anew from the log.
func (l *Ledger) change(f func(*transaction) error) error {
	l.mu.Lock()
	if l.broken != nil {
		defer l.mu.Unlock()
		return l.broken
	}
	var t transaction
	err := f(&t)
	for err == nil && len(t.retry) > 0 {
		again := t.retry
		t.retry = nil
		for _, r := range again {
			if outcome, err := l.offer(&t, r); outcome == Rejected {
				l.cfg.Logger.Debug("ledger: an entry that waited is refused", "err", err)
			}
		}
	}
	if err == nil {
		l.raiseFloor(&t)
		err = l.commit(&t)
	}
	if err != nil {
		defer l.mu.Unlock()
		return l.recover(&t, err)
	}
	if t.news {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	l.stored.Lock()
	defer l.stored.Unlock()
	l.mu.Unlock()
	for _, r := range t.tell {
		for _, f := range l.onStored {
			f(r)
		}
	}
	return nil
}

func (l *Ledger) commit(t *transaction) error {
	if t.batch.empty() {
		return nil
	}
	if err := l.cfg.Log.Commit(t.batch); err != nil {
		return fmt.Errorf("store entries: %w", err)
	}
	return nil
}

// recover undoes in memory what could not be stored.
func (l *Ledger) recover(t *transaction, cause error) error {
	if t.batch.empty() {
		return cause
	}
	if err := l.load(); err != nil {
		l.broken = fmt.Errorf("%w; and the log cannot be read again: %w", cause, err)
		return l.broken
	}
	return cause
}

// raiseFloor notes the latest time that operators have signed.
func (l *Ledger) raiseFloor(t *transaction) {
	if l.fold.chain != nil && l.floor.Raise(l.fold.raised, l.fold.chain.Latest()) {
		t.batch.setMeta(metaFloor, binary.BigEndian.AppendUint64(nil, uint64(l.floor.At().UnixMilli())))
	}
}

// offer judges one record and takes it into memory and the transaction's batch.
func (l *Ledger) offer(t *transaction, r Record) (Outcome, error) {
	if isProof(r.Data) {
		return l.offerProof(t, r)
	}
	if f := l.feeds[r.Feed]; f != nil && f.has(r) {
		return Known, nil // saves checking a signature again
	}
	e, err := l.codec.decode(r.Data)
	switch {
	case err != nil:
		return Rejected, err
	case e.Fleet != l.cfg.Fleet:
		return Rejected, fmt.Errorf("%w: of another fleet", ErrMalformed)
	case r.Feed != e.Feed().Key() || r.Seq != e.Seq:
		return Rejected, fmt.Errorf("%w: not the entry that it was sent as", ErrMalformed)
	case !l.fold.believes(e):
		l.waiting.add(e.Author, r)
		return Waiting, nil
	}
	return l.place(t, e, r)
}

// has reports whether the feed holds exactly this record.
func (f *feedState) has(r Record) bool {
	s, ok := f.find(r.Seq)
	return ok && s.hash == sha256.Sum256(r.Data)
}

// place puts a judged entry into its feed.
func (l *Ledger) place(t *transaction, e *Entry, r Record) (Outcome, error) {
	f := l.feed(e.Feed())
	if f.proof != nil {
		return Known, nil // the feed is closed
	}
	if old, ok := f.find(e.Seq); ok {
		return l.fork(t, f, old, r)
	}
	last := f.last()
	switch {
	case f.Lane == Register && e.Seq < f.byKey[e.Key]:
		return Known, nil
	case f.Lane == Register:
	case e.Seq > last.seq+1:
		l.waiting.add(e.Author, r)
		return Waiting, nil
	case last.seq > 0 && string(e.Prev) != string(last.hash[:]):
		return Rejected, fmt.Errorf("%w: it does not follow the entry before it", ErrMalformed)
	}
	l.take(t, f, e, r)
	return Stored, nil
}

// take stores an entry that fits.
func (l *Ledger) take(t *transaction, f *feedState, e *Entry, r Record) {
	if replaced := f.put(slot{e.Seq, sha256.Sum256(r.Data)}, e.Key); replaced != 0 {
		t.batch.Delete = append(t.batch.Delete, Item{Feed: f.key, Seq: replaced})
	}
	t.batch.Put = append(t.batch.Put, Item{f.key, e.Seq, r.Data})
	t.tell = append(t.tell, r)
	t.news = true
	l.clock = l.clock.observe(e.Time, l.now())
	before := l.fold.chain
	l.fold.add(e, l.cfg.Now())
	if l.fold.chain != before {
		t.retry = append(t.retry, l.waiting.takeAll()...)
	} else {
		t.retry = append(t.retry, l.waiting.take(e.Author)...)
	}
}

// fork deals with an entry whose number is taken by another.
func (l *Ledger) fork(t *transaction, f *feedState, old slot, r Record) (Outcome, error) {
	mine, err := l.entryBytes(t, f.key, old.seq)
	if err != nil {
		return Rejected, fmt.Errorf("read an entry's rival: %w", err)
	}
	l.close(t, f, encodeProof(mine, r.Data))
	return Stored, nil
}

// entryBytes reads an entry that may still be in the transaction.
func (l *Ledger) entryBytes(t *transaction, feed string, seq uint64) ([]byte, error) {
	for _, item := range t.batch.Put {
		if item.Feed == feed && item.Seq == seq {
			return item.Data, nil
		}
	}
	return l.cfg.Log.Get(feed, seq)
}

// offerProof takes another node's word that an author has forked, once it has been checked.
func (l *Ledger) offerProof(t *transaction, r Record) (Outcome, error) {
	e, err := l.codec.decodeProof(r.Data)
	switch {
	case err != nil:
		return Rejected, err
	case e.Fleet != l.cfg.Fleet || r.Feed != e.Feed().Key():
		return Rejected, fmt.Errorf("%w: a proof about something else", ErrMalformed)
	case !l.member(e.Author):
		return Waiting, nil // it comes again with the author's admission
	}
	f := l.feed(e.Feed())
	if f.proof != nil {
		return Known, nil
	}
	l.close(t, f, r.Data)
	return Stored, nil
}

func (l *Ledger) member(id ident.NodeID) bool {
	_, ok := l.fold.members[id]
	return ok
}

// close ends a forked feed: nothing more is taken into it, its author is quarantined, and the
// proof is what others are given of it.
func (l *Ledger) close(t *transaction, f *feedState, proof []byte) {
	f.proof = proof
	l.fold.forked[f.Author] = true
	t.batch.setMeta(metaProof+f.key, proof)
	t.tell = append(t.tell, Record{f.key, forkedMark.Seq, proof})
	t.news = true
	l.cfg.Logger.Error("ledger: a node has forked its feed", "node", f.Author)
}
